// Package chainflags is the flags that every program beside the chain shares: which node to talk to, which keyring to
// sign with, and how to log.
//
//	cmd := &cobra.Command{RunE: func(cmd *cobra.Command, _ []string) error {
//		node, err := chainflags.Dial(cmd)
//		...
//	}}
//	chainflags.Add(cmd)
package chainflags

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/client/onchain"
)

const (
	flagNode           = "node"
	flagNodeInsecure   = "node-insecure"
	flagChainID        = "chain-id"
	flagKeyringBackend = "keyring-backend"
	flagKeyringDir     = "keyring-dir"
	flagGasPrice       = "gas-price"
)

// defaultGasPrice is what a node asks for unless its operator has changed it, in nplx.
const defaultGasPrice = "0.001"

// Add defines the flags that say which node to talk to.
func Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String(flagNode, chainclient.DefaultAddress, "gRPC address of a node, host:port; TLS unless it is on this machine")
	f.Bool(flagNodeInsecure, false, "allow plaintext to a node on another machine")
	f.String(flagChainID, "", "chain that the node must serve (default: whichever it serves first)")
}

// AddKeys defines the flags that say which keyring to sign with, and what transactions pay.
func AddKeys(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String(flagKeyringBackend, keyring.BackendOS, "where keys are kept: os, file or test (unencrypted, for test networks only)")
	f.String(flagKeyringDir, "", "folder of the keyring (default: --home)")
	f.String(flagGasPrice, defaultGasPrice, "nplx paid per unit of gas by transactions that are not free")
}

// Dial prepares the connection to the node, for questions and for transactions that are free; the node may be down. The
// caller closes it.
func Dial(cmd *cobra.Command) (*chainclient.Client, error) { return dial(cmd, "") }

// DialNodes prepares the connections of a program that also pays: without a fee, and with the gas price that was asked
// for. The caller closes them.
func DialNodes(cmd *cobra.Command) (onchain.Nodes, error) {
	free, err := dial(cmd, "")
	if err != nil {
		return onchain.Nodes{}, err
	}
	paying, err := dial(cmd, text(cmd, flagGasPrice))
	if err != nil {
		free.Close()
		return onchain.Nodes{}, err
	}
	return onchain.Nodes{Free: free, Paying: paying}, nil
}

func dial(cmd *cobra.Command, gasPrice string) (*chainclient.Client, error) {
	network.ConfigureAddresses()
	return chainclient.Dial(chainclient.Config{
		Address:  text(cmd, flagNode),
		Insecure: text(cmd, flagNodeInsecure) == "true",
		ChainID:  text(cmd, flagChainID),
		GasPrice: gasPrice,
	})
}

// Signer returns the key of that name in the keyring.
func Signer(cmd *cobra.Command, name string) (*chainclient.Signer, error) {
	signers, err := Signers(cmd, name)
	if err != nil {
		return nil, err
	}
	return signers[0], nil
}

// Signers returns the keys of those names, nil for an empty name. The keyring is opened once, so that it asks for its
// passphrase once.
func Signers(cmd *cobra.Command, names ...string) ([]*chainclient.Signer, error) {
	network.ConfigureAddresses()
	folder, err := keyringFolder(cmd)
	if err != nil {
		return nil, err
	}
	backend := text(cmd, flagKeyringBackend)
	kr, err := chainclient.OpenKeyring(folder, backend, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	signers := make([]*chainclient.Signer, len(names))
	for i, name := range names {
		if name == "" {
			continue
		}
		if signers[i], err = chainclient.NewSigner(kr, name); err != nil {
			return nil, fmt.Errorf("%w (keyring %q in %s; list its keys with: plexus keys list --keyring-backend %s --keyring-dir %s)", err, backend, folder, backend, folder)
		}
	}
	return signers, nil
}

func keyringFolder(cmd *cobra.Command) (string, error) {
	if folder := text(cmd, flagKeyringDir); folder != "" {
		return folder, nil
	}
	if home := text(cmd, "home"); home != "" {
		return home, nil
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the keyring: give --%s: %w", flagKeyringDir, err)
	}
	return filepath.Join(user, ".plexus"), nil
}

// Logger returns a logger to the command's standard error, as the flags for level and format of the root command say.
func Logger(cmd *cobra.Command) (*slog.Logger, error) {
	var level slog.Level
	if name := cmp.Or(text(cmd, "log-level"), text(cmd, "log_level")); name != "" {
		if err := level.UnmarshalText([]byte(name)); err != nil {
			return nil, fmt.Errorf("log level %q: want debug, info, warn or error", name)
		}
	}
	options := &slog.HandlerOptions{Level: level}
	switch format := cmp.Or(text(cmd, "log-format"), text(cmd, "log_format")); format {
	case "", "text", "plain":
		return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), options)), nil
	default:
		return nil, fmt.Errorf("log format %q: want plain or json", format)
	}
}

// UntilSignal returns a context that ends at SIGINT or SIGTERM. A second signal ends the process at once.
func UntilSignal(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// text returns a flag's value as text, empty where the command has no such flag.
func text(cmd *cobra.Command, name string) string {
	if flag := cmd.Flags().Lookup(name); flag != nil {
		return flag.Value.String()
	}
	return ""
}
