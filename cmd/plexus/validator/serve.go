package validatorcmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/plexusnet/plexus/client/oip"
)

// listen opens a listener; one that other machines reach has to be asked for.
func listen(flag, address string, open bool) (net.Listener, error) {
	if !open && !oip.Loopback(address) {
		return nil, fmt.Errorf("--%s %s: want an address of this machine, such as 127.0.0.1:9600; put a proxy with TLS before it for others", flag, address)
	}
	lis, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--%s %s: %w; give another address, or \"\" for none", flag, address, err)
	}
	return lis, nil
}

// serve answers on a listener until ctx ends.
func serve(ctx context.Context, lis net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
