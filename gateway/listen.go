package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/plexusnet/plexus/client/oip"
)

// ErrPlaintextListen is returned where a gateway would answer other machines unencrypted without having been told to.
var ErrPlaintextListen = errors.New("plaintext listener beyond this machine")

// ErrOpenListen is returned where strangers on other machines could spend the gateway's money.
var ErrOpenListen = errors.New("open listener beyond this machine")

// LoadTLS reads the certificate of a gateway and its key, PEM. It returns nil for no files.
func LoadTLS(certFile, keyFile string) (*tls.Config, error) {
	switch {
	case certFile == "" && keyFile == "":
		return nil, nil
	case certFile == "" || keyFile == "":
		return nil, errors.New("a TLS certificate and its key go together: give both --tls-cert and --tls-key")
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("TLS certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}, nil
}

// Listen opens a TCP listener. Beyond this machine it must be TLS, unless plaintext is allowed, and callers must show keys.
func Listen(address string, c *tls.Config, plaintext, open bool) (net.Listener, error) {
	if !oip.Loopback(address) {
		switch {
		case open:
			return nil, fmt.Errorf("%w: %s; --open is for 127.0.0.1 only: make keys with: plexus gateway keys create NAME", ErrOpenListen, address)
		case c == nil && !plaintext:
			return nil, fmt.Errorf("%w: %s; give --tls-cert and --tls-key, listen on 127.0.0.1, or allow it with --plaintext", ErrPlaintextListen, address)
		}
	}
	return listen(address, "--listen")
}

// ListenState opens the listener for ServeState, on this machine only.
func ListenState(address string) (net.Listener, error) {
	if !oip.Loopback(address) {
		return nil, fmt.Errorf("--metrics %s: metrics are unencrypted; listen on 127.0.0.1 and let a local agent collect them", address)
	}
	return listen(address, "--metrics")
}

func listen(address, flag string) (net.Listener, error) {
	lis, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another program: stop it, or choose another port with %s HOST:PORT: %w", address, flag, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", address, flag, err)
	}
	return lis, nil
}
