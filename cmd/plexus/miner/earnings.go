package minercmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/miner/till"
)

func earningsCommand() *cobra.Command {
	var path, output string
	cmd := &cobra.Command{
		Use:   "earnings",
		Short: "Show what callers have signed, owe and have paid, by lane, whether the miner runs or not",
		Long: `Reads the till of a miner on this machine: from the miner that has it open, else from the file.

SIGNED is what the vouchers in hand are worth, OWED what the answered requests cost, REDEEMED what the chain has paid of it (the
burned part included), PENDING what is signed and not redeemed. OWED is at most SIGNED: callers sign some way ahead.`,
		Example: `  plexus miner earnings
  plexus miner earnings --till /var/lib/plexus/till/1-plx1....db --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			if output != "table" && output != "json" {
				return fmt.Errorf("--output %q: want table or json", output)
			}
			return showEarnings(cmd, path, output)
		},
	}
	cmd.Flags().StringVar(&path, "till", "", "file of the vouchers (default: the only one in till below --home)")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func showEarnings(cmd *cobra.Command, path, output string) error {
	path, err := onlyTill(cmd, path)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	e, err := till.ReadEarnings(ctx, path)
	if err != nil {
		return err
	}
	if output == "json" {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(e)
	}
	return writeEarnings(cmd.OutOrStdout(), e)
}

// onlyTill finds the till where none was named.
func onlyTill(cmd *cobra.Command, path string) (string, error) {
	if path != "" {
		return path, nil
	}
	folder, err := tillFolder(cmd)
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(folder, "*.db"))
	switch {
	case err != nil:
		return "", fmt.Errorf("look for tills: %w", err)
	case len(found) == 0:
		return "", fmt.Errorf("%w in %s: a miner makes one when it is started with --payment accept or require; say with --till where it is", till.ErrNoStore, folder)
	case len(found) > 1:
		return "", fmt.Errorf("%s holds several tills: say with --till which one: %s", folder, strings.Join(found, ", "))
	}
	return found[0], nil
}

func writeEarnings(out io.Writer, e till.Earnings) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "CHANNEL\tLANE\tPAYER\tSIGNED\tOWED\tREDEEMED\tPENDING\tENDS\tSTATE")
	for _, l := range e.Lanes {
		state := "open"
		switch {
		case l.Late:
			state = "LATE"
		case l.Closing:
			state = "closing"
		}
		fmt.Fprintf(table, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", l.Channel, l.Lane, l.Payer, amount.Format(l.Signed), amount.Format(l.Owed),
			amount.Format(l.Redeemed), amount.Format(l.Pending), l.Ends, state)
	}
	if e.Ended.Channels > 0 {
		fmt.Fprintf(table, "%d ended\t\t\t%s\t%s\t%s\t%s\t\t\n", e.Ended.Channels, amount.Format(e.Ended.Signed), amount.Format(e.Ended.Owed),
			amount.Format(e.Ended.Redeemed), amount.Format(0))
	}
	fmt.Fprintf(table, "all\t\t\t%s\t%s\t%s\t%s\t\t\n", amount.Format(e.Signed), amount.Format(e.Owed), amount.Format(e.Redeemed), amount.Format(e.Pending))
	if err := table.Flush(); err != nil {
		return err
	}
	if e.Lost > 0 {
		fmt.Fprintf(out, "lost: %s were signed and not redeemed before their channels ended\n", amount.Format(e.Lost))
	}
	if !e.Running {
		fmt.Fprintln(out, "no miner runs on this till: this is how it was when the last one stopped")
	}
	return nil
}
