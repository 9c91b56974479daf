// Package validatorcmd is `plexus validator`.
package validatorcmd

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/cmd/plexus/chainflags"
	"github.com/plexusnet/plexus/validator"
	"github.com/plexusnet/plexus/validator/store"
)

// Command returns `plexus validator`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validator",
		Short: "Score miners and set weights",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(startCommand())
	return cmd
}

// settings are the flags of `plexus validator start`.
type settings struct {
	netuid   uint32
	hotkey   string
	coldkey  string
	operator string
	maxBurn  string
	store    string
	options  validator.Options
}

func startCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:     "start",
		Short:   "Challenge the miners of a subnet, score their answers and set weights every epoch",
		Example: `  plexus validator start --netuid 1 --hotkey validator1 --coldkey operator --operator operator --max-burn 2plx`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return s.start(cmd)
		},
	}
	chainflags.Add(cmd)
	chainflags.AddKeys(cmd)
	chainflags.AddIdentity(cmd)
	f := cmd.Flags()
	f.Uint32Var(&s.netuid, "netuid", 0, "subnet to validate")
	f.StringVar(&s.hotkey, "hotkey", "", "key that signs weights, by name")
	f.StringVar(&s.coldkey, "coldkey", "", "key that pays for the registration, by name; without it nothing is registered")
	f.StringVar(&s.operator, "operator", "", "key of the staking validator whose stake is to count for the hotkey, by name; without it nothing is bound")
	f.StringVar(&s.maxBurn, "max-burn", "1plx", "most that a registration may cost, such as 1.5plx or 1500000000nplx")
	f.StringVar(&s.store, "store", "", "file that keeps scores and committed weights (default: data/validator.db in --home)")
	defaults := validator.DefaultOptions()
	f.DurationVar(&s.options.RoundInterval, "round-interval", defaults.RoundInterval, "from the start of a round to the start of the next")
	f.IntVar(&s.options.Challenges, "challenges", defaults.Challenges, "fresh challenges per round, the same for every miner")
	f.DurationVar(&s.options.Deadline, "deadline", defaults.Deadline, "what a miner gets to answer all challenges of a round")
	f.IntVar(&s.options.Miners, "parallel", defaults.Miners, "miners asked at once")
	f.IntVar(&s.options.InFlight, "in-flight", defaults.InFlight, "challenges that one miner has in hand at once")
	f.DurationVar(&s.options.PollInterval, "poll-interval", defaults.PollInterval, "how often to look whether weights are due")
	f.Float64Var(&s.options.HalfLife, "half-life", defaults.HalfLife, "challenges after which what a miner answered counts half")
	f.Float64Var(&s.options.Quantile, "quantile", defaults.Quantile, "of the accuracy's distribution that counts: lower asks for more evidence, 0 to 1")
	f.Float64Var(&s.options.Sharpness, "sharpness", defaults.Sharpness, "exponent from skill to weight: higher gives more to the best")
	f.BoolVar(&s.options.Dialer.Insecure, "insecure", false, "ask miners on other machines in plaintext, if they announce no TLS key")
	f.IntVar(&s.options.Dialer.MaxMessageBytes, "max-message-bytes", oip.DefaultMaxMessageBytes, "largest answer of a miner")
	for _, name := range []string{"netuid", "hotkey"} {
		cobra.CheckErr(cmd.MarkFlagRequired(name))
	}
	return cmd
}

// start runs the validator until a signal comes.
func (s *settings) start(cmd *cobra.Command) error {
	log, err := chainflags.Logger(cmd)
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	maxBurn, err := amount.Parse(s.maxBurn)
	if err != nil {
		return fmt.Errorf("--max-burn: %w", err)
	}
	ctx, stop := chainflags.UntilSignal(cmd)
	defer stop()
	signers, err := chainflags.Signers(cmd, s.hotkey, s.coldkey, s.operator)
	if err != nil {
		return err
	}
	hotkey, coldkey, operator := signers[0], signers[1], signers[2]
	if coldkey != nil && operator != nil && coldkey.Address() != operator.Address() {
		return fmt.Errorf("--coldkey %s and --operator %s are different accounts: a hotkey belongs to the account that registered it, and only that one can bind it", s.coldkey, s.operator)
	}
	if s.options.Dialer.Identity, err = chainflags.Identity(cmd, hotkey); err != nil {
		return err
	}
	nodes, err := chainflags.DialNodes(cmd)
	if err != nil {
		return err
	}
	defer nodes.Close()
	task, err := validator.NewDigits()
	if err != nil {
		return err
	}
	kept, err := s.openStore(cmd)
	if err != nil {
		return err
	}
	defer kept.Close()
	chain := onchain.New(nodes, onchain.Keys{Hotkey: hotkey, Coldkey: coldkey, Operator: operator}, log)
	v := validator.Validator{
		Member: membership.Member{Netuid: s.netuid, Hotkey: hotkey.Address(), HotkeyName: s.hotkey,
			CanRegister: coldkey != nil, MaxBurn: maxBurn, Chain: chain, Log: log},
		Chain: chain, Task: task, Book: kept.Book(s.netuid, hotkey.Address()), Bind: operator != nil, Options: s.options, Log: log,
	}
	log.Info("validating", "netuid", s.netuid, "hotkey", hotkey.Address(), "task", task.Describe().Name,
		"challenges", s.options.Challenges, "round_interval", s.options.RoundInterval)
	return v.Run(ctx)
}

// openStore opens the file of the validator, by default in its home folder.
func (s *settings) openStore(cmd *cobra.Command) (*store.Store, error) {
	path := s.store
	if path == "" {
		home := ""
		if flag := cmd.Flags().Lookup("home"); flag != nil {
			home = flag.Value.String()
		}
		if home == "" {
			return nil, errors.New("no folder for what is to be kept: give --store or --home")
		}
		path = filepath.Join(home, "data", "validator.db")
	}
	return store.Open(path)
}

func (s *settings) check() error {
	var errs []error
	if s.netuid == 0 {
		errs = append(errs, errors.New("--netuid: want the number of a subnet, 1 or more"))
	}
	if s.options.Challenges < 1 || s.options.Miners < 1 || s.options.InFlight < 1 {
		errs = append(errs, errors.New("--challenges, --parallel and --in-flight: want 1 or more"))
	}
	if s.options.RoundInterval <= 0 || s.options.Deadline <= 0 || s.options.PollInterval <= 0 {
		errs = append(errs, errors.New("--round-interval, --deadline and --poll-interval: want more than 0"))
	}
	if !(s.options.Quantile > 0 && s.options.Quantile < 1) {
		errs = append(errs, fmt.Errorf("--quantile %g: want more than 0 and less than 1", s.options.Quantile))
	}
	if !(s.options.Sharpness > 0) || !(s.options.HalfLife > 0) || math.IsInf(s.options.Sharpness, 0) || math.IsInf(s.options.HalfLife, 0) {
		errs = append(errs, errors.New("--sharpness and --half-life: want finite numbers over 0"))
	}
	return errors.Join(errs...)
}
