package gatewaycmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/gateway/ledger"
)

func ledgerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "What was spent on what",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(exportCommand())
	return cmd
}

// export are the flags of `plexus gateway ledger export`.
type export struct {
	key, since, until, output, out string
}

func exportCommand() *cobra.Command {
	var e export
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the ledger's calls as CSV or JSON, also while the gateway runs",
		Example: `  plexus gateway ledger export > calls.csv
  plexus gateway ledger export --key web --since 24h --output json --out web.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return e.export(cmd)
		},
	}
	addLedgerFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&e.key, "key", "", "only calls of this key, by name or id")
	f.StringVar(&e.since, "since", "", "only calls from then on: a time such as 2027-01-01T00:00:00Z, or how long ago, such as 24h")
	f.StringVar(&e.until, "until", "", "only calls before then")
	f.StringVarP(&e.output, "output", "o", "csv", "csv or json")
	f.StringVar(&e.out, "out", "", "file to write to (default: standard output)")
	return cmd
}

func (e *export) export(cmd *cobra.Command) (err error) {
	if err := checkOutput(e.output, "csv", "json"); err != nil {
		return err
	}
	filter := ledger.Filter{Key: e.key}
	now := time.Now()
	if filter.Since, err = moment("since", e.since, now, -1); err != nil {
		return err
	}
	if filter.Until, err = moment("until", e.until, now, -1); err != nil {
		return err
	}
	folder, err := ledgerPath(cmd)
	if err != nil {
		return err
	}
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("no ledger: %w; a gateway makes it when it starts, --ledger says where it is", err)
	}
	write := ledger.WriteCSV
	if e.output == "json" {
		write = ledger.WriteJSON
	}
	if e.out == "" {
		return write(cmd.OutOrStdout(), folder, filter)
	}
	file, err := os.OpenFile(e.out, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return write(io.Writer(file), folder, filter)
}
