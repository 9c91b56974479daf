// Package walletcmd is `plexus wallet`.
package walletcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/cmd/plexus/chainflags"
	"github.com/plexusnet/plexus/cmd/plexus/walletflags"
)

// Command returns `plexus wallet`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wallet",
		Short: "The money that calls are paid with: channels to miners, what is signed and what is left",
		Long: `A wallet holds the channels out of which an account pays miners, and what was signed on them. Programs that call miners open,
top up and collect channels by themselves (plexus infer --payer, plexus gateway start --payer); these commands are for looking at
them and for ending them. A wallet is used by one process at a time.`,
	}
	cmd.AddCommand(listCommand(), openCommand(), closeCommand(), collectCommand())
	return cmd
}

func listCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the wallet's channels, as of its last use",
		Example: "  plexus wallet list\n  plexus wallet list --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			path, err := walletflags.Path(cmd)
			if err != nil {
				return err
			}
			balance, channels, err := wallet.Read(path)
			if errors.Is(err, wallet.ErrInUse) {
				return fmt.Errorf("%w: a gateway tells its channels at /status", err)
			}
			if err != nil {
				return err
			}
			return list(cmd.OutOrStdout(), output, balance, channels)
		},
	}
	walletflags.AddPath(cmd)
	addOutput(cmd, &output)
	return cmd
}

func addOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "table or json")
}

// listing is what `plexus wallet list --output json` prints.
type listing struct {
	wallet.Balance
	Channels []wallet.Channel `json:"channels"`
}

func list(w io.Writer, output string, balance wallet.Balance, channels []wallet.Channel) error {
	switch output {
	case "json":
		return printJSON(w, listing{Balance: balance, Channels: append([]wallet.Channel{}, channels...)})
	case "table":
	default:
		return fmt.Errorf("--output %q: want table or json", output)
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "CHANNEL\tNETUID\tHOTKEY\tSTATE\tDEPOSIT\tSIGNED\tOWED\tREDEEMED\tENDS")
	for _, c := range channels {
		end := c.Expires
		if c.ClosesAt != 0 {
			end = min(end, c.ClosesAt)
		}
		fmt.Fprintf(tab, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", c.ID, c.Netuid, c.Hotkey, c.State,
			amount.Format(c.Deposit), amount.Format(c.Signed), amount.Format(c.Owed), amount.Format(c.Redeemed), end)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nout in channels or spent: %s; spent by channels that were collected: %s\n", amount.Format(balance.Out), amount.Format(balance.Spent))
	return err
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func openCommand() *cobra.Command {
	var netuid uint32
	var output string
	cmd := &cobra.Command{
		Use:     "open --netuid N --payer NAME --budget AMOUNT HOTKEY",
		Short:   "Open a channel to a miner, or tell the one there is",
		Example: "  plexus wallet open --netuid 1 --payer alice --node-key node.pem --chain-id plexus-1 --budget 10plx plx1...",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return with(cmd, 0, func(ctx context.Context, w *wallet.Wallet) error {
				channel, err := w.OpenChannel(ctx, wallet.Payee{Netuid: netuid, Hotkey: args[0]})
				if err != nil {
					return err
				}
				return list(cmd.OutOrStdout(), output, w.Balance(), []wallet.Channel{channel})
			})
		},
	}
	addPayer(cmd)
	walletflags.AddBounds(cmd)
	addOutput(cmd, &output)
	cmd.Flags().Uint32Var(&netuid, "netuid", 0, "subnet of the miner")
	cobra.CheckErr(cmd.MarkFlagRequired("netuid"))
	return cmd
}

func addPayer(cmd *cobra.Command) {
	chainflags.Add(cmd)
	chainflags.AddKeys(cmd)
	chainflags.AddIdentity(cmd)
	walletflags.AddFile(cmd)
	cobra.CheckErr(cmd.MarkFlagRequired(walletflags.Payer))
}

// ended is what became of a channel.
type ended struct {
	Channel uint64 `json:"channel"`
	Ends    uint64 `json:"ends,omitempty"` // height
	Refund  uint64 `json:"refund_nplx"`
}

func closeCommand() *cobra.Command {
	return endCommand("close", "Begin the closing of channels: the miner redeems what it has, then the rest can be collected",
		func(ctx context.Context, w *wallet.Wallet, id uint64) (ended, error) {
			if err := w.CloseChannel(ctx, id); err != nil {
				return ended{}, err
			}
			for _, c := range w.Channels() {
				if c.ID == id {
					return ended{Channel: id, Ends: c.ClosesAt}, nil
				}
			}
			return ended{Channel: id}, nil
		}, func(e ended) string {
			return fmt.Sprintf("channel %d ends at height %d; then run: plexus wallet collect %d", e.Channel, e.Ends, e.Channel)
		})
}

func collectCommand() *cobra.Command {
	return endCommand("collect", "Get back what is left in channels that have ended",
		func(ctx context.Context, w *wallet.Wallet, id uint64) (ended, error) {
			refund, err := w.Collect(ctx, id)
			return ended{Channel: id, Refund: refund}, err
		}, func(e ended) string {
			return fmt.Sprintf("channel %d: %s came back", e.Channel, amount.Format(e.Refund))
		})
}

// endCommand is a command that does something to each of its channels.
func endCommand(name, short string, do func(context.Context, *wallet.Wallet, uint64) (ended, error), say func(ended) string) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     name + " --payer NAME CHANNEL...",
		Short:   short,
		Example: "  plexus wallet " + name + " --payer alice --node-key node.pem --chain-id plexus-1 7",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("--output %q: want table or json", output)
			}
			ids, err := numbers(args)
			if err != nil {
				return err
			}
			return with(cmd, math.MaxUint64, func(ctx context.Context, w *wallet.Wallet) error {
				if err := w.Look(ctx); err != nil {
					return err
				}
				done := []ended{}
				for _, id := range ids {
					one, err := do(ctx, w, id)
					if err != nil {
						return err
					}
					done = append(done, one)
					if output == "table" {
						fmt.Fprintln(cmd.OutOrStdout(), say(one))
					}
				}
				if output == "json" {
					return printJSON(cmd.OutOrStdout(), done)
				}
				return nil
			})
		},
	}
	addPayer(cmd)
	addOutput(cmd, &output)
	return cmd
}

func numbers(args []string) ([]uint64, error) {
	ids := make([]uint64, len(args))
	for i, arg := range args {
		id, err := strconv.ParseUint(arg, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("channel %q: want a number; list them with: plexus wallet list", arg)
		}
		ids[i] = id
	}
	return ids, nil
}

// with opens the wallet for a command.
func with(cmd *cobra.Command, budget uint64, run func(context.Context, *wallet.Wallet) error) (err error) {
	cmd.SilenceUsage = true
	log, err := chainflags.Logger(cmd)
	if err != nil {
		return err
	}
	nodes, err := chainflags.DialNodes(cmd)
	if err != nil {
		return err
	}
	defer nodes.Close()
	ctx, stop := chainflags.UntilSignal(cmd)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, walletflags.OpenTimeout)
	defer cancel()
	payer, err := walletflags.Open(cmd, nodes, budget, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, payer.Close()) }()
	return run(ctx, payer.Wallet)
}
