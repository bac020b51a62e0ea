//go:build !linux

package cli

func protect() {}
