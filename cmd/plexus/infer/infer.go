// Package infercmd is `plexus infer`.
package infercmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/cmd/plexus/chainflags"
	"github.com/plexusnet/plexus/cmd/plexus/walletflags"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
)

// What the process exits with, by what went wrong; 1 is everything else.
const (
	exitImage    = 2 // a picture cannot be read
	exitNoMiners = 3 // no such subnet, or nobody serves in it
	exitChain    = 4 // the chain does not answer
	exitNoAnswer = 5 // every miner that was asked failed
	exitPayment  = 6 // it could not be paid for
)

// Error is an error with the code that the process should exit with.
type Error struct {
	Err  error
	Code int
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without its code.
func (e *Error) Unwrap() error { return e.Err }

// ExitCode returns the code, 2 to 6.
func (e *Error) ExitCode() int { return e.Code }

// settings are the flags of `plexus infer`.
type settings struct {
	netuid   uint32
	output   string
	timeout  time.Duration
	attempts int
	insecure bool
	hotkey   string
}

// Command returns `plexus infer`.
func Command() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "infer --netuid N IMAGE...",
		Short: "Ask the best miner of a subnet which digit a picture shows",
		Long: `Finds the miners of a subnet on the chain and sends each picture (PNG or JPEG, "-" for standard input) to the one with
the highest incentive, or to the next if that one fails.

Exit codes: 2 a picture cannot be read, 3 nobody serves in the subnet, 4 the chain does not answer, 5 no miner answered,
6 none answered, and paying was in the way.`,
		Example: `  plexus infer --netuid 1 seven.png
  plexus infer --netuid 1 --hotkey alice --node-key node.pem --chain-id plexus-1 seven.png
  plexus infer --netuid 1 --payer alice --node-key node.pem --chain-id plexus-1 --budget 2plx seven.png`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			return s.infer(cmd, args)
		},
	}
	chainflags.Add(cmd)
	chainflags.AddKeys(cmd)
	chainflags.AddIdentity(cmd)
	walletflags.Add(cmd)
	f := cmd.Flags()
	f.Uint32Var(&s.netuid, "netuid", 0, "subnet to ask")
	f.StringVar(&s.hotkey, "hotkey", "", "account in whose name to ask, by name: shown to miners that want to know (needs --node-key and --chain-id)")
	f.StringVarP(&s.output, "output", "o", "table", "table or json")
	f.DurationVar(&s.timeout, "timeout", 5*time.Second, "what one miner gets to answer")
	f.IntVar(&s.attempts, "attempts", 3, "miners asked before giving up")
	f.BoolVar(&s.insecure, "insecure", false, "ask miners on other machines in plaintext, if they announce no TLS key")
	cobra.CheckErr(cmd.MarkFlagRequired("netuid"))
	return cmd
}

func (s *settings) infer(cmd *cobra.Command, paths []string) (err error) {
	if s.output != "table" && s.output != "json" {
		return fmt.Errorf("--output %q: want table or json", s.output)
	}
	log, err := chainflags.Logger(cmd)
	if err != nil {
		return err
	}
	inputs, err := readAll(cmd, paths)
	if err != nil {
		return err
	}
	identity, err := s.identity(cmd)
	if err != nil {
		return err
	}
	ctx, stop := chainflags.UntilSignal(cmd)
	defer stop()
	nodes, err := chainflags.DialNodes(cmd)
	if err != nil {
		return err
	}
	defer nodes.Close()
	payer, err := walletflags.Open(cmd, nodes, 0, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, payer.Close()) }()
	options := client.Options{Dialer: oip.Dialer{Insecure: s.insecure, Identity: identity}, Timeout: s.timeout, Attempts: s.attempts,
		Among: 1, Spares: -1, Log: log}
	payer.Options(&options)
	c := client.New(onchain.New(nodes, onchain.Keys{}, log), options)
	defer c.Close()

	answers := make([]answer, len(paths))
	for i, input := range inputs {
		if answers[i], err = ask(ctx, c, s.netuid, paths[i], input); err != nil {
			return explain(err, nodes.Free.Address())
		}
	}
	if s.output == "json" {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(answers)
	}
	return table(cmd.OutOrStdout(), answers)
}

// identity is whom the miners are told that they answer; nobody unless asked for.
func (s *settings) identity(cmd *cobra.Command) (oip.Identity, error) {
	asked := cmd.Flags().Changed(chainflags.NodeKey)
	if walletflags.Asked(cmd) {
		if s.hotkey != "" {
			return oip.Identity{}, errors.New("--hotkey: the account that pays is the one that is shown; give --payer alone")
		}
		return oip.Identity{}, nil // the wallet's
	}
	if asked != (s.hotkey != "") {
		return oip.Identity{}, fmt.Errorf("--hotkey and --%s go together: the account vouches for the node key", chainflags.NodeKey)
	}
	if !asked {
		return oip.Identity{}, nil
	}
	account, err := chainflags.Signer(cmd, s.hotkey)
	if err != nil {
		return oip.Identity{}, err
	}
	return chainflags.Identity(cmd, account)
}

// readAll reads every picture before any is sent.
func readAll(cmd *cobra.Command, paths []string) ([]models.Tensor, error) {
	inputs := make([]models.Tensor, len(paths))
	for i, path := range paths {
		input, err := read(cmd, path)
		if err != nil {
			return nil, &Error{Code: exitImage, Err: fmt.Errorf("%s: %w; give a PNG or JPEG of one digit", path, err)}
		}
		inputs[i] = input
	}
	return inputs, nil
}

func read(cmd *cobra.Command, path string) (models.Tensor, error) {
	source := cmd.InOrStdin()
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return models.Tensor{}, err
		}
		defer file.Close()
		source = file
	}
	picture, err := digits.Decode(source, digits.DecodeLimits{})
	if err != nil {
		return models.Tensor{}, err
	}
	return digits.Tensor(picture)
}

// answer is what is printed about one picture.
type answer struct {
	Image         string      `json:"image"`
	Label         int         `json:"label"`
	Confidence    float32     `json:"confidence"`
	Probabilities []float32   `json:"probabilities"`
	Miner         minerAnswer `json:"miner"`
	ElapsedMS     float64     `json:"elapsed_ms"`
	ChargedNplx   uint64      `json:"charged_nplx"`
	Failed        []string    `json:"failed,omitempty"` // miners asked before, with their reasons
}

type minerAnswer struct {
	UID       uint16 `json:"uid"`
	Hotkey    string `json:"hotkey"`
	Endpoint  string `json:"endpoint"`
	Model     string `json:"model"`
	Version   string `json:"version"`
	Incentive uint16 `json:"incentive"`
}

func ask(ctx context.Context, c *client.Client, netuid uint32, path string, input models.Tensor) (answer, error) {
	var said []digits.Answer
	got, err := c.Infer(ctx, client.Request{Netuid: netuid, Inputs: []models.Tensor{input}, Check: func(outputs []models.Tensor) (err error) {
		said, err = parse(outputs)
		return err
	}})
	if err != nil {
		return answer{}, err
	}
	a := answer{
		Image: path, Label: said[0].Label, Confidence: said[0].Confidence, Probabilities: said[0].Probabilities[:],
		Miner: minerAnswer{UID: got.Miner.UID, Hotkey: got.Miner.Hotkey, Endpoint: got.Miner.Endpoint.Address(),
			Model: got.Model, Version: got.Version, Incentive: got.Miner.Incentive},
		ElapsedMS: float64(got.Elapsed.Microseconds()) / 1000, ChargedNplx: got.Charged,
	}
	for _, f := range got.Failed {
		a.Failed = append(a.Failed, f.Error())
	}
	return a, nil
}

// parse reads the answer to one picture.
func parse(outputs []models.Tensor) ([]digits.Answer, error) {
	for _, output := range outputs {
		if output.Name != digits.OutputName {
			continue
		}
		said, err := digits.Answers(output)
		if err == nil && len(said) != 1 {
			err = fmt.Errorf("%d answers to one picture", len(said))
		}
		return said, err
	}
	return nil, fmt.Errorf("no output named %q", digits.OutputName)
}

// explain adds what to do about an error, and the code to exit with.
func explain(err error, node string) error {
	if advice := toPay(err); advice != "" && errors.Is(err, client.ErrNoAnswer) {
		return &Error{Code: exitPayment, Err: fmt.Errorf("%w\n%s", err, advice)}
	}
	switch {
	case errors.Is(err, metagraph.ErrUnavailable):
		return &Error{Code: exitChain, Err: fmt.Errorf("the chain does not answer at %s: start a node or name another with --node: %w", node, err)}
	case errors.Is(err, metagraph.ErrNotFound):
		return &Error{Code: exitNoMiners, Err: fmt.Errorf("%w; list the subnets with: plexus query subnet list", err)}
	case errors.Is(err, client.ErrNoMiners):
		return &Error{Code: exitNoMiners, Err: fmt.Errorf("%w; start one with: plexus miner start", err)}
	case errors.Is(err, oip.ErrPlaintext):
		return &Error{Code: exitNoAnswer, Err: err}
	case errors.Is(err, client.ErrNoAnswer):
		return &Error{Code: exitNoAnswer, Err: fmt.Errorf("%w\nask more of them with --attempts, or give them more time with --timeout", err)}
	default:
		return err
	}
}

// toPay says what to do where paying was in the way.
func toPay(err error) string {
	for _, c := range []struct {
		err    error
		advice string
	}{
		{wallet.ErrNoFunds, "send coins to the account that --payer names"},
		{wallet.ErrOverBudget, "raise --budget or --spend-day, or close channels that are not needed: plexus wallet list"},
		{wallet.ErrLimit, "raise --deposit, or lower --max-price"},
		{client.ErrPrice, "raise --max-price"},
		{client.ErrPayment, "name an account that pays: --payer NAME --node-key FILE --chain-id ID --budget AMOUNT"},
	} {
		if errors.Is(err, c.err) {
			return c.advice
		}
	}
	return ""
}

func table(w io.Writer, answers []answer) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "IMAGE\tLABEL\tCONFIDENCE\tUID\tHOTKEY\tENDPOINT\tMODEL\tTIME")
	for _, a := range answers {
		fmt.Fprintf(tab, "%s\t%d\t%.1f%%\t%d\t%s\t%s\t%s/%s\t%.2fms\n", a.Image, a.Label, 100*a.Confidence,
			a.Miner.UID, a.Miner.Hotkey, a.Miner.Endpoint, a.Miner.Model, a.Miner.Version, a.ElapsedMS)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	for _, a := range answers {
		fmt.Fprintf(w, "\n%s\n%s", a.Image, bars(a.Probabilities))
		if a.ChargedNplx > 0 {
			fmt.Fprintf(w, "paid: %s\n", amount.Format(a.ChargedNplx))
		}
		for _, f := range a.Failed {
			fmt.Fprintf(w, "asked before, in vain: %s\n", f)
		}
	}
	return nil
}

// bars draws one line per class.
func bars(probabilities []float32) string {
	var b strings.Builder
	for label, p := range probabilities {
		line := fmt.Sprintf("  %d  %5.1f%%  %s", label, 100*p, strings.Repeat("#", int(p*40+0.5)))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
