// Package check tests the files of deploy/ with the programs that will read them, as far as they run without a cluster or
// a registry of images: the systemd unit by systemd-analyze, the Helm chart by Helm and by the types of Kubernetes, the
// Dockerfiles by BuildKit's parser. It has no code besides.
package check
