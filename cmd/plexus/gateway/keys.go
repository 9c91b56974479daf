package gatewaycmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/gateway/keys"
	"github.com/plexusnet/plexus/gateway/ledger"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and take back the API keys of a gateway",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(createCommand(), listCommand(), revokeCommand())
	return cmd
}

// newKey are the flags of `plexus gateway keys create`.
type newKey struct {
	subnets     []uint
	models      []string
	budgetTotal string
	budgetDay   string
	rate        float64
	burst       int
	inFlight    int
	expires     string
	maxKeys     int
	output      string
}

func createCommand() *cobra.Command {
	var n newKey
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an API key and print it: it is not shown again, and kept as a hash only",
		Example: `  plexus gateway keys create web --models assistant --budget-day 0.5plx --rate 20 --burst 40
  plexus gateway keys create batch --subnets 1,2 --budget-total 10plx --expires 720h`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			return n.create(cmd, args[0])
		},
	}
	addKeysFlag(cmd)
	f := cmd.Flags()
	f.UintSliceVar(&n.subnets, "subnets", nil, "subnets that may be asked (default: all that the gateway offers)")
	f.StringSliceVar(&n.models, "models", nil, "models that may be asked, by the names that callers use (default: all)")
	f.StringVar(&n.budgetTotal, "budget-total", "0nplx", "most that the key may ever spend, such as 10plx; 0: no bound")
	f.StringVar(&n.budgetDay, "budget-day", "0nplx", "most that the key may spend per day of UTC; 0: no bound")
	f.Float64Var(&n.rate, "rate", 0, "requests per second; 0: no bound")
	f.IntVar(&n.burst, "burst", 0, "requests at once beyond the rate")
	f.IntVar(&n.inFlight, "max-in-flight", 0, "requests in hand; 0: no bound")
	f.StringVar(&n.expires, "expires", "", "when the key ends: a time such as 2027-01-01T00:00:00Z, or how long from now, such as 720h (default: never)")
	f.IntVar(&n.maxKeys, "max-keys", 10_000, "keys that the file may hold, those taken back included")
	f.StringVarP(&n.output, "output", "o", "text", "text or json")
	return cmd
}

func (n *newKey) create(cmd *cobra.Command, name string) error {
	if err := checkOutput(n.output, "text", "json"); err != nil {
		return err
	}
	k := keys.Key{Name: name, Models: n.models, Rate: n.rate, Burst: n.burst, MaxInFlight: n.inFlight}
	var err error
	if k.BudgetTotal, err = amount.Parse(n.budgetTotal); err != nil {
		return fmt.Errorf("--budget-total: %w", err)
	}
	if k.BudgetDay, err = amount.Parse(n.budgetDay); err != nil {
		return fmt.Errorf("--budget-day: %w", err)
	}
	if k.Subnets, err = netuids("subnets", n.subnets); err != nil {
		return err
	}
	if k.Expires, err = moment("expires", n.expires, time.Now(), 1); err != nil {
		return err
	}
	path, err := keysPath(cmd)
	if err != nil {
		return err
	}
	secret, made, err := keys.Open(path, keys.Options{MaxKeys: n.maxKeys}).Create(k)
	if err != nil {
		return err
	}
	if n.output == "json" {
		return writeJSON(cmd.OutOrStdout(), struct {
			shownKey
			Secret string `json:"key"`
		}{shown(made, ledger.Spent{}), secret})
	}
	cmd.PrintErrf("key %q (%s), kept as a hash in %s; it is not shown again:\n", made.Name, made.ID, path)
	fmt.Fprintln(cmd.OutOrStdout(), secret)
	return nil
}

// moment reads a time, or a duration from now in a direction.
func moment(flag, value string, now time.Time, direction time.Duration) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	if after, err := time.ParseDuration(value); err == nil && after > 0 {
		return now.Add(direction * after).UTC().Truncate(time.Second), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, value); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("--%s %q: want a time such as 2027-01-01T00:00:00Z or 2027-01-01, or a duration such as 720h", flag, value)
}

// shownKey is a key as it is shown: without its hash, with what it spent.
type shownKey struct {
	Name        string       `json:"name"`
	ID          string       `json:"id"`
	State       string       `json:"state"`
	Created     time.Time    `json:"created"`
	Expires     time.Time    `json:"expires,omitzero"`
	Revoked     time.Time    `json:"revoked,omitzero"`
	Subnets     []uint32     `json:"subnets,omitempty"`
	Models      []string     `json:"models,omitempty"`
	BudgetTotal uint64       `json:"budget_total_nplx"`
	BudgetDay   uint64       `json:"budget_day_nplx"`
	Rate        float64      `json:"rate"`
	Burst       int          `json:"burst"`
	MaxInFlight int          `json:"max_in_flight"`
	Spent       ledger.Spent `json:"spent_nplx"`
}

func shown(k keys.Key, spent ledger.Spent) shownKey {
	return shownKey{Name: k.Name, ID: k.ID, State: k.State(time.Now()), Created: k.Created, Expires: k.Expires, Revoked: k.Revoked, Subnets: k.Subnets,
		Models: k.Models, BudgetTotal: k.BudgetTotal, BudgetDay: k.BudgetDay, Rate: k.Rate, Burst: k.Burst, MaxInFlight: k.MaxInFlight, Spent: spent}
}

func listCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the API keys, what they may do and what they have spent",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return list(cmd, output)
		},
	}
	addKeysFlag(cmd)
	addLedgerFlag(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func list(cmd *cobra.Command, output string) error {
	if err := checkOutput(output, "table", "json"); err != nil {
		return err
	}
	path, err := keysPath(cmd)
	if err != nil {
		return err
	}
	all, err := keys.Open(path, keys.Options{}).List()
	if err != nil {
		return err
	}
	folder, err := ledgerPath(cmd)
	if err != nil {
		return err
	}
	spent, err := ledger.Sums(folder, time.Now())
	if err != nil {
		return err
	}
	shownKeys := make([]shownKey, len(all))
	for i, k := range all {
		shownKeys[i] = shown(k, spent[k.ID])
	}
	if output == "json" {
		return writeJSON(cmd.OutOrStdout(), shownKeys)
	}
	tab := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "NAME\tID\tSTATE\tEXPIRES\tSUBNETS\tMODELS\tPER DAY\tIN ALL\tRATE\tSPENT TODAY\tSPENT")
	for _, k := range shownKeys {
		expires := "never"
		if !k.Expires.IsZero() {
			expires = k.Expires.Format(time.RFC3339)
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Name, k.ID, k.State, expires, orAll(fmt.Sprint(k.Subnets), len(k.Subnets)),
			orAll(strings.Join(k.Models, " "), len(k.Models)), bound(k.BudgetDay), bound(k.BudgetTotal), rateOf(k.Rate), amount.Format(k.Spent.Today), amount.Format(k.Spent.Total))
	}
	return tab.Flush()
}

func orAll(text string, n int) string {
	if n == 0 {
		return "all"
	}
	return strings.Trim(text, "[]")
}

func bound(nplx uint64) string {
	if nplx == 0 {
		return "any"
	}
	return amount.Format(nplx)
}

func rateOf(rate float64) string {
	if rate == 0 {
		return "any"
	}
	return fmt.Sprintf("%g/s", rate)
}

func revokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Take an API key back, by name or id, for good: a gateway that runs refuses it at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			path, err := keysPath(cmd)
			if err != nil {
				return err
			}
			k, err := keys.Open(path, keys.Options{}).Revoke(args[0], time.Now())
			if err != nil {
				return fmt.Errorf("%w; list them with: plexus gateway keys list", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "key %q (%s) was taken back at %s\n", k.Name, k.ID, k.Revoked.Format(time.RFC3339))
			return nil
		},
	}
	addKeysFlag(cmd)
	return cmd
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
