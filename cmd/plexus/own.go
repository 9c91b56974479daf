package main

import (
	"github.com/spf13/cobra"
)

// addOwnCommands adds what Plexus does beside its chain.
func addOwnCommands(root *cobra.Command) {
}
