package miner

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/plexusnet/plexus/client/oip"
)

// ErrPlaintextListen is returned where a server would answer other machines unencrypted without having been told to.
var ErrPlaintextListen = errors.New("plaintext listener beyond this machine")

// Listen opens a TCP listener. Plaintext beyond this machine must be allowed by insecure.
func Listen(address string, identity oip.Identity, insecure bool) (net.Listener, error) {
	if identity.Plaintext() && !insecure && !oip.Loopback(address) {
		return nil, fmt.Errorf("%w: %s; give --node-key (or --tls-cert and --tls-key), listen on 127.0.0.1, or allow it with --insecure", ErrPlaintextListen, address)
	}
	return listen(address, "--listen")
}

// ListenREST opens a listener for ServeREST, under the rules of Listen.
func ListenREST(address string, identity oip.Identity, insecure bool) (net.Listener, error) {
	if identity.Plaintext() && !insecure && !oip.Loopback(address) {
		return nil, fmt.Errorf("%w: %s; give --node-key (or --tls-cert and --tls-key), serve REST on 127.0.0.1, or allow it with --insecure", ErrPlaintextListen, address)
	}
	return listen(address, "--rest")
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
