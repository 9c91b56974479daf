// Package gatewaycmd is `plexus gateway`.
package gatewaycmd

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
)

// Command returns `plexus gateway`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Offer the network's models to programs that know nothing of it",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(startCommand(), keysCommand(), ledgerCommand())
	return cmd
}

const (
	flagKeys   = "keys"
	flagLedger = "ledger"
)

func addKeysFlag(cmd *cobra.Command) {
	cmd.Flags().String(flagKeys, "", "file of the API keys (default: data/gateway-keys.json in --home)")
}

func addLedgerFlag(cmd *cobra.Command) {
	cmd.Flags().String(flagLedger, "", "folder of the ledger (default: data/gateway-ledger in --home)")
}

// place is where a flag says that something is kept, or else where it is in the home folder.
func place(cmd *cobra.Command, flag, name string) (string, error) {
	if path, _ := cmd.Flags().GetString(flag); path != "" {
		return path, nil
	}
	home := ""
	if f := cmd.Flags().Lookup("home"); f != nil {
		home = f.Value.String()
	}
	if home == "" {
		return "", fmt.Errorf("--%s: say where, for there is no --home", flag)
	}
	return filepath.Join(home, "data", name), nil
}

func keysPath(cmd *cobra.Command) (string, error)   { return place(cmd, flagKeys, "gateway-keys.json") }
func ledgerPath(cmd *cobra.Command) (string, error) { return place(cmd, flagLedger, "gateway-ledger") }

func checkOutput(format string, allowed ...string) error {
	for _, one := range allowed {
		if format == one {
			return nil
		}
	}
	return errors.New("--output " + format + fmt.Sprintf(": want one of %v", allowed))
}
