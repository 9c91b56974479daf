// Package library finds ONNX Runtime's shared library on this machine, and brings it there.
//
// Find looks where an operator would put it, in this order: the path given by flag, the environment variable
// PLEXUS_ONNXRUNTIME, beside the executable, ./lib, the cache that Fetch fills, the system's library folders.
//
// Fetch takes the one file that is needed out of the npm package onnxruntime-node, by npm pack (which runs none of the
// package's scripts), after checking the package's SHA-512 and the file's SHA-256 against the values pinned here:
//
//	found, err := library.Find(flag)
//	if errors.Is(err, library.ErrNotFound) {
//		path, err = library.Fetch(ctx, library.FetchOptions{})
//	}
//
// It is safe to run many Fetches at once, in one process or several: one downloads and the others wait for it.
package library
