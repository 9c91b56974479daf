// Command mechanism-go is a mechanism of a subnet owner's own, written in Go: forecasting. It imports nothing of Plexus but
// the generated service, as a program outside this repository would.
//
//	go build -o forecast ./examples/mechanism-go
//
// The validator starts the program and says by PLEXUS_MECHANISM_LISTEN where to serve; to run it by itself, set that
// variable, such as to unix:/run/forecast.sock. docs/mechanism.md explains the rest.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"google.golang.org/grpc"

	mechanismv1 "github.com/plexusnet/plexus/proto/plexus/mechanism/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := serve(ctx, os.Getenv("PLEXUS_MECHANISM_LISTEN"), os.Getenv("PLEXUS_MECHANISM_MAX_MESSAGE_BYTES")); err != nil {
		fmt.Fprintln(os.Stderr, "mechanism-go:", err)
		os.Exit(1)
	}
}

// serve answers calls until ctx ends.
func serve(ctx context.Context, address, maxMessage string) error {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return fmt.Errorf("PLEXUS_MECHANISM_LISTEN is %q: want unix:PATH, as the validator sets it", address)
	}
	limit, err := strconv.Atoi(maxMessage)
	if err != nil {
		limit = 64 << 20
	}
	lis, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(limit), grpc.MaxSendMsgSize(limit))
	mechanismv1.RegisterMechanismServer(server, newForecast())
	defer context.AfterFunc(ctx, server.Stop)()
	fmt.Println("forecast serves on", address)
	return server.Serve(lis)
}
