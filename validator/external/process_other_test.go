//go:build unix && !linux

package external

// validatorOf is for a test that only Linux can pass.
func validatorOf(string) {}
