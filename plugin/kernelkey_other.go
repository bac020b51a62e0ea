//go:build !linux

package plugin

func readKernelKey(string) (Secret, error) { return Secret{}, errNoKernelKeys() }

func writeKernelKey(string, Secret) error { return errNoKernelKeys() }

func errNoKernelKeys() error { return Errorf(Config, "this system has no keyring in its kernel") }
