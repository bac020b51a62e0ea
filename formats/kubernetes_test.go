package formats

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// Each client of Kubernetes has its own way to name a context.
func TestContextOf(t *testing.T) {
	helm := func(name string) string { return map[string]string{"HELM_KUBECONTEXT": "prod"}[name] }
	for line, want := range map[string]string{
		"kubectl get nodes":                           "",
		"kubectl get nodes --context c1":              "c1",
		"kubectl --context=c1 get nodes":              "c1",
		"kubectl --context c1 --context=c2 get nodes": "c2",
		"kubectl --kube-context c1 get nodes":         "",
		"kubectl exec p -- sh --context c1":           "",
		"/usr/bin/kubectl-neat get --context c1":      "c1",
		"helm list":                                   "prod",
		"helm list --kube-context c1":                 "c1",
		"helm.exe --kube-context=c1 list":             "c1",
		"helmfile apply":                              "prod",
		"velero --kubecontext c1 backup get":          "c1",
		"velero --kubecontext=c1 backup get":          "c1",
		"velero --context c1 backup get":              "",
		"k9s --context c1":                            "c1",
		"stern --context=c1 .":                        "c1",
		"flux get all --context c1":                   "c1",
		"oc --context c1 get pods":                    "c1",
		"./deploy.sh --kube-context c1":               "c1",
		"./deploy.sh":                                 "",
	} {
		if got := contextOf(strings.Fields(line), helm); got != want {
			t.Errorf("%s: %q, not %q", line, got, want)
		}
	}
}

// The user that exec makes is nobody else's, since its file comes before the others.
func TestUnusedUser(t *testing.T) {
	var files []kubeconfig
	for _, text := range []string{
		"contexts: [{name: a, context: {cluster: k, user: jeton-p}}, {name: b, context: {user: jeton-p-3}}]",
		"users: [{name: jeton-p-2, user: {token: x}}]",
	} {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		files = append(files, kubeconfig{Lines: &plugin.Lines{Root: doc.Content[0]}})
	}
	for context, want := range map[string]string{"a": "jeton-p", "b": "jeton-p-3", "c": "jeton-p-4"} {
		if got := unusedUser(files, "jeton-p", context); got != want {
			t.Errorf("%s: %s, not %s", context, got, want)
		}
	}
}
