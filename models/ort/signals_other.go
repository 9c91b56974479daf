//go:build !linux

package ort

// keepSignals does nothing: there is no CUDA here.
func keepSignals() func() { return func() {} }
