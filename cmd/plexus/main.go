// Command plexus is the whole of Plexus in one binary: a node of the chain, a
// miner that serves models, a validator that scores them, a client that calls
// them, and a network of all of these on one machine.
package main

import (
	"errors"
	"fmt"
	"os"

	svrcmd "github.com/cosmos/cosmos-sdk/server/cmd"

	"github.com/plexusnet/plexus/chain/network"
)

func main() {
	network.ConfigureAddresses()
	root, err := newRoot(os.Args[1:])
	if err == nil {
		err = svrcmd.Execute(root, envPrefix, defaultHome())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(exitCode(err))
	}
}

// exitCode is what a command says of its failure, 1 unless it tells.
func exitCode(err error) int {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 1
}
