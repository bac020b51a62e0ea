//go:build unix && !linux

package cli

// keepDescriptors does nothing: there is no call for it on this system.
func keepDescriptors() {}
