//go:build tools

// Package kubeapiserver pins the API server of Kubernetes, which tests run.
package kubeapiserver

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
