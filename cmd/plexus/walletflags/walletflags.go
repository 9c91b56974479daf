// Package walletflags is the flags of commands that pay miners: who pays, out of which wallet, and how much at most.
//
//	walletflags.Add(cmd)
//	...
//	payer, err := walletflags.Open(cmd, nodes, log) // nil where nobody pays
//	defer payer.Close()
//	payer.Options(&options) // of a client.Client
package walletflags

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/cmd/plexus/chainflags"
)

// The flags.
const (
	Payer    = "payer"
	Wallet   = "wallet"
	Budget   = "budget"
	Deposit  = "deposit"
	Step     = "step"
	Blocks   = "channel-blocks"
	SpendDay = "spend-day"
	MaxPrice = "max-price"
	Pay      = "pay"
)

// DefaultFile is the wallet below --home where none is named.
const DefaultFile = "data/wallet.db"

// AddFile defines the flags that say whose wallet it is.
func AddFile(cmd *cobra.Command) {
	cmd.Flags().String(Payer, "", "account that pays miners, by name (needs --node-key and --chain-id)")
	AddPath(cmd)
}

// AddPath defines the flag of the wallet's file.
func AddPath(cmd *cobra.Command) {
	cmd.Flags().String(Wallet, "", "file of the wallet (default: "+DefaultFile+" in --home)")
}

// AddBounds defines the flags of what channels are opened with.
func AddBounds(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String(Budget, "0nplx", "most that may ever be out in channels or spent, such as 10plx")
	f.String(Deposit, "1plx", "what a channel to a miner is opened with, and topped up to")
	f.String(Step, "0nplx", "what is signed ahead, and lost at most to a miner that runs away (default: a hundredth of --deposit)")
	f.Uint64(Blocks, 0, "blocks that a channel is opened for (default: 50400, or as many as the chain allows)")
	f.String(SpendDay, "0nplx", "most that is signed for within 24 hours; 0: no bound but --budget")
}

// Add defines all flags of a command that calls miners.
func Add(cmd *cobra.Command) {
	AddFile(cmd)
	AddBounds(cmd)
	f := cmd.Flags()
	f.String(MaxPrice, "0.001plx", "most that one call of a miner may cost")
	f.String(Pay, string(client.PayAsked), "which calls are paid for: asked (to miners that refuse unpaid ones), always (to all that have a price) or never")
}

// Opened is a wallet that a command has opened. A nil one pays nothing.
type Opened struct {
	Wallet   *wallet.Wallet
	Identity oip.Identity // that connections must show
	Payer    string       // address
	pay      client.Pay
	maxPrice uint64
}

// Asked reports whether somebody is to pay.
func Asked(cmd *cobra.Command) bool { return text(cmd, Payer) != "" }

// Open opens the wallet of the account that --payer names; nil where it names none. budget, where it is not 0, stands in
// for --budget.
func Open(cmd *cobra.Command, nodes onchain.Nodes, budget uint64, log *slog.Logger) (*Opened, error) {
	if !Asked(cmd) {
		return nil, nil
	}
	signer, err := chainflags.Signer(cmd, text(cmd, Payer))
	if err != nil {
		return nil, err
	}
	out := &Opened{Payer: signer.Address()}
	if out.Identity, err = chainflags.Identity(cmd, signer); err != nil {
		return nil, err
	}
	if out.Identity.NodeKey() == nil {
		return nil, fmt.Errorf("--%s %s: give --%s too, the key that signs what is owed, and --chain-id", Payer, text(cmd, Payer), chainflags.NodeKey)
	}
	o := wallet.Options{Key: out.Identity.NodeKey(), ChainID: text(cmd, "chain-id"), Budget: budget, Log: log}
	if o.Chain, err = onchain.NewWallet(nodes, signer); err != nil {
		return nil, err
	}
	if err := out.read(cmd, &o); err != nil {
		return nil, err
	}
	out.Wallet, err = wallet.Open(o)
	return out, err
}

// read reads the flags that say how much.
func (out *Opened) read(cmd *cobra.Command, o *wallet.Options) (err error) {
	if o.Path, err = Path(cmd); err != nil {
		return err
	}
	for flag, into := range map[string]*uint64{Budget: &o.Budget, Deposit: &o.Deposit, Step: &o.Step, SpendDay: &o.Spend, MaxPrice: &out.maxPrice} {
		if cmd.Flags().Lookup(flag) == nil {
			continue
		}
		if *into, err = amount.Parse(text(cmd, flag)); err != nil {
			return fmt.Errorf("--%s: %w", flag, err)
		}
	}
	if cmd.Flags().Lookup(Blocks) != nil {
		if o.Duration, err = cmd.Flags().GetUint64(Blocks); err != nil {
			return err
		}
	}
	if o.Budget == 0 {
		return fmt.Errorf("--%s: say how much may be out in channels or spent, with --%s", Payer, Budget)
	}
	out.pay = client.Pay(text(cmd, Pay))
	switch out.pay {
	case client.PayAsked, client.PayAlways, client.PayNever, "":
		return nil
	default:
		return fmt.Errorf("--%s %q: want asked, always or never", Pay, out.pay)
	}
}

// Options has a client pay.
func (out *Opened) Options(o *client.Options) {
	if out == nil {
		return
	}
	o.Wallet, o.Pay, o.MaxPrice, o.Dialer.Identity = out.Wallet, out.pay, out.maxPrice, out.Identity
}

// Close closes the wallet.
func (out *Opened) Close() error {
	if out == nil {
		return nil
	}
	return out.Wallet.Close()
}

// Path is the wallet's file.
func Path(cmd *cobra.Command) (string, error) {
	if path := text(cmd, Wallet); path != "" {
		return path, nil
	}
	home := text(cmd, "home")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", errors.Join(fmt.Errorf("no folder for the wallet: give --%s", Wallet), err)
		}
		home = filepath.Join(user, ".plexus")
	}
	return filepath.Join(home, DefaultFile), nil
}

// OpenTimeout is how long a command waits for a channel to be opened.
const OpenTimeout = 2 * time.Minute

func text(cmd *cobra.Command, name string) string {
	if flag := cmd.Flags().Lookup(name); flag != nil {
		return flag.Value.String()
	}
	return ""
}
