// Package runtimecmd is `plexus runtime`: bring ONNX Runtime to this machine, and say which one is used.
package runtimecmd
