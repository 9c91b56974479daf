// Package validatorcmd is `plexus validator`.
package validatorcmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/identity"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/cmd/plexus/chainflags"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/validator"
	"github.com/plexusnet/plexus/validator/alert"
	"github.com/plexusnet/plexus/validator/health"
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
	netuids   []uint
	hotkey    string
	coldkey   string
	operator  string
	maxBurn   string
	store     string
	shoppers  []string
	insecure  bool
	memory    int64
	api       string
	apiOpen   bool
	metrics   string
	webhook   string
	alertEach time.Duration
	rewards   rewards
	library   string
	models    int64
	options   validator.Options
}

func startCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Challenge the miners of subnets, score their answers and set weights every epoch",
		Example: `  plexus validator start --netuid 1 --hotkey validator1 --coldkey operator --operator operator --max-burn 2plx
  plexus validator start --netuid 1 --netuid 2 --task 2=text --metric 2=f1 --hotkey validator1 --webhook https://hooks.example/T0
  plexus validator start --netuid 3 --mechanism replay --pinned-model model.onnx --pinned-sha256 6f1c... --hotkey validator1
  plexus validator start --netuid 4 --mechanism external --external-command "python3 mechanism.py" --hotkey validator1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return s.start(cmd)
		},
	}
	chainflags.Add(cmd)
	chainflags.AddKeys(cmd)
	chainflags.AddIdentity(cmd)
	s.addWho(cmd)
	s.addWhat(cmd)
	s.addWhere(cmd)
	for _, name := range []string{"netuid", "hotkey"} {
		cobra.CheckErr(cmd.MarkFlagRequired(name))
	}
	return cmd
}

// addWho adds the flags of subnets and keys.
func (s *settings) addWho(cmd *cobra.Command) {
	f := cmd.Flags()
	f.UintSliceVar(&s.netuids, "netuid", nil, "subnets to validate; repeatable")
	f.StringVar(&s.hotkey, "hotkey", "", "key that signs weights, by name")
	f.StringVar(&s.coldkey, "coldkey", "", "key that pays for the registration, by name; without it nothing is registered")
	f.StringVar(&s.operator, "operator", "", "key of the staking validator whose stake is to count for the hotkey, by name; without it nothing is bound")
	f.StringVar(&s.maxBurn, "max-burn", "1plx", "most that a registration may cost, such as 1.5plx or 1500000000nplx")
	f.StringSliceVar(&s.shoppers, "shopper", nil, "further key, by name, in whose name a part of the questions is asked too, as a caller's; repeatable (needs --chain-id)")
	f.StringVar(&s.store, "store", "", "file that keeps scores and committed weights (default: data/validator.db in --home)")
}

// addWhat adds the flags of rounds and scores.
func (s *settings) addWhat(cmd *cobra.Command) {
	f, defaults := cmd.Flags(), validator.DefaultOptions()
	s.rewards.add(cmd)
	f.StringVar(&s.library, library.Flag, "", "replay: ONNX Runtime's shared library (default: searched, see: plexus runtime info)")
	f.Int64Var(&s.models, "memory-limit", ort.DefaultMaxMemoryBytes, "replay: bytes that pinned models and their cheaper versions, ten of each, may hold for weights and tensors")
	f.DurationVar(&s.options.RoundInterval, "round-interval", defaults.RoundInterval, "from the start of a round to the start of the next")
	f.IntVar(&s.options.Challenges, "challenges", defaults.Challenges, "fresh challenges per round, the same for every miner")
	f.DurationVar(&s.options.Deadline, "deadline", defaults.Deadline, "what a miner gets to answer all challenges of a round")
	f.IntVar(&s.options.Miners, "parallel", defaults.Miners, "miners asked at once")
	f.IntVar(&s.options.InFlight, "in-flight", defaults.InFlight, "challenges that one miner has in hand at once")
	f.DurationVar(&s.options.PollInterval, "poll-interval", defaults.PollInterval, "how often to look whether weights are due")
	f.Float64Var(&s.options.HalfLife, "half-life", defaults.HalfLife, "challenges after which what a miner answered counts half")
	f.Float64Var(&s.options.Quantile, "quantile", defaults.Quantile, "of the accuracy's distribution that counts: lower asks for more evidence, 0 to 1")
	f.Float64Var(&s.options.Sharpness, "sharpness", defaults.Sharpness, "exponent from skill to weight: higher gives more to the best")
	f.Float64Var(&s.options.Shopped, "shopped", defaults.Shopped, "share of the questions that a shopper asks, too, 0 to 1")
	f.DurationVar(&s.options.Ban, "ban", defaults.Ban, "how long a miner earns nothing after an answer that no honest miner gives")
	f.IntVar(&s.options.MaxAnswer, "max-message-bytes", defaults.MaxAnswer, "largest answer of a miner, where the task does not bound it")
	f.Int64Var(&s.memory, "max-memory-bytes", validator.DefaultMemory, "what answers may take that are not judged yet, over all subnets")
	f.BoolVar(&s.insecure, "insecure", false, "ask miners on other machines in plaintext, if they announce no TLS key")
}

// addWhere adds the flags of what is told to others.
func (s *settings) addWhere(cmd *cobra.Command) {
	f, defaults := cmd.Flags(), validator.DefaultOptions()
	f.StringVar(&s.api, "api", "127.0.0.1:9600", "address to publish the health of miners on, as JSON; empty: none")
	f.BoolVar(&s.apiOpen, "api-plaintext", false, "let --api be an address that other machines reach, in plaintext")
	f.StringVar(&s.metrics, "metrics", "127.0.0.1:9601", "address on this machine to serve Prometheus metrics on; empty: none")
	f.IntVar(&s.options.Window, "health-window", defaults.Window, "rounds that a miner's health is published of")
	f.StringVar(&s.webhook, "webhook", "", "URL that alerts are posted to, as JSON")
	f.DurationVar(&s.alertEach, "alert-interval", 10*time.Minute, "between two alerts of one kind and subnet")
	f.DurationVar(&s.options.Behind, "behind", defaults.Behind, "time without a new block after which an alert says so")
}

// start runs the validators until a signal comes.
func (s *settings) start(cmd *cobra.Command) error {
	log, err := chainflags.Logger(cmd)
	if err != nil {
		return err
	}
	if err := s.check(cmd); err != nil {
		return err
	}
	maxBurn, err := amount.Parse(s.maxBurn)
	if err != nil {
		return fmt.Errorf("--max-burn: %w", err)
	}
	ctx, stop := chainflags.UntilSignal(cmd)
	defer stop()
	signers, err := chainflags.Signers(cmd, append([]string{s.hotkey, s.coldkey, s.operator}, s.shoppers...)...)
	if err != nil {
		return err
	}
	hotkey, coldkey, operator := signers[0], signers[1], signers[2]
	if coldkey != nil && operator != nil && coldkey.Address() != operator.Address() {
		return fmt.Errorf("--coldkey %s and --operator %s are different accounts: a hotkey belongs to the account that registered it, and only that one can bind it", s.coldkey, s.operator)
	}
	maker := s.maker(cmd, log)
	defer maker.Close()
	var fleet validator.Fleet
	for _, netuid := range s.netuids {
		m, err := maker.of(ctx, uint32(netuid))
		if err != nil {
			return err
		}
		fleet = append(fleet, &validator.Validator{Mechanism: m, Bind: operator != nil, Options: s.options, Log: log,
			Member: membership.Member{Netuid: uint32(netuid), Hotkey: hotkey.Address(), HotkeyName: s.hotkey,
				CanRegister: coldkey != nil, MaxBurn: maxBurn, Log: log}})
	}
	own, err := chainflags.Identity(cmd, hotkey)
	if err != nil {
		return err
	}
	shared, err := s.shared(cmd, own, signers[3:], log)
	if err != nil {
		return err
	}
	defer shared.Close()
	nodes, err := chainflags.DialNodes(cmd)
	if err != nil {
		return err
	}
	defer nodes.Close()
	kept, err := s.openStore(cmd)
	if err != nil {
		return err
	}
	defer kept.Close()
	chain := onchain.New(nodes, onchain.Keys{Hotkey: hotkey, Coldkey: coldkey, Operator: operator}, log)
	for _, v := range fleet {
		v.Chain, v.Member.Chain = chain, chain
		v.Book, v.Shared = kept.Book(v.Member.Netuid, hotkey.Address()), shared
		about := v.Mechanism.Describe()
		log.Info("validating", "netuid", v.Member.Netuid, "hotkey", hotkey.Address(), "mechanism", about.Name, "task", about.Task.Name,
			"challenges", s.options.Challenges, "round_interval", s.options.RoundInterval)
	}
	return s.run(ctx, fleet, shared, signerOf(cmd, own), log)
}

// signerOf signs what is published with the node key; nil where there is none.
func signerOf(cmd *cobra.Command, own oip.Identity) *health.Signer {
	if !own.Mutual() {
		return nil
	}
	chainID, _ := cmd.Flags().GetString("chain-id")
	return &health.Signer{ChainID: chainID, Key: own.NodeKey(), Certificate: func() (*tls.Certificate, error) { return own.TLS().GetCertificate(nil) }}
}

// run runs the validators and what they tell others by.
func (s *settings) run(ctx context.Context, fleet validator.Fleet, shared *validator.Shared, signer *health.Signer, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for _, one := range []struct {
		flag, address string
		open          bool
		handler       http.Handler
	}{
		{"api", s.api, s.apiOpen, health.SignedHandler(fleet, signer)},
		{"metrics", s.metrics, false, shared.Metrics.Handler()},
	} {
		if one.address == "" {
			continue
		}
		lis, err := listen(one.flag, one.address, one.open)
		if err != nil {
			cancel()
			return errors.Join(err, group.Wait())
		}
		log.Info("listening", "for", one.flag, "address", lis.Addr())
		group.Go(func() error { return serve(ctx, lis, one.handler) })
	}
	group.Go(func() error { shared.Alerts.Run(ctx); return nil })
	group.Go(func() error { defer cancel(); return fleet.Run(ctx) })
	return group.Wait()
}

// shared is what all subnets have in common.
func (s *settings) shared(cmd *cobra.Command, id oip.Identity, shoppers []*chainclient.Signer, log *slog.Logger) (*validator.Shared, error) {
	alerts, err := alert.New(s.webhook, alert.Options{Interval: s.alertEach, Log: log})
	if err != nil {
		return nil, fmt.Errorf("--webhook: %w", err)
	}
	own := oip.Dialer{Insecure: s.insecure, MaxMessageBytes: s.options.MaxAnswer, Identity: id}
	var others []oip.Dialer
	for i, signer := range shoppers {
		dialer := own
		if dialer.Identity, err = s.shopper(cmd, signer); err != nil {
			return nil, fmt.Errorf("--shopper %s: %w", s.shoppers[i], err)
		}
		others = append(others, dialer)
	}
	shared := validator.NewShared(own, others, s.memory)
	shared.Alerts, shared.Metrics = alerts, validator.NewMetrics()
	return shared, nil
}

// shopper is the identity of another account, under a node key of its own.
func (s *settings) shopper(cmd *cobra.Command, signer *chainclient.Signer) (oip.Identity, error) {
	chainID, _ := cmd.Flags().GetString("chain-id")
	if chainID == "" {
		return oip.Identity{}, errors.New("give --chain-id too, the chain that the identity is for")
	}
	folder, err := dataFolder(cmd)
	if err != nil {
		return oip.Identity{}, err
	}
	key, err := identity.LoadOrCreateKey(filepath.Join(folder, "shopper-"+signer.Address()+".pem"))
	if err != nil {
		return oip.Identity{}, err
	}
	return oip.NodeIdentity(key, chainID, signer)
}

// maker makes the subnets' mechanisms. Calibrations are kept beside the store.
func (s *settings) maker(cmd *cobra.Command, log *slog.Logger) *maker {
	m := &maker{rewards: &s.rewards, challenges: s.options.Challenges, library: s.library, memory: s.models, log: log}
	folder, err := dataFolder(cmd)
	if s.store != "" {
		folder, err = filepath.Dir(s.store), nil
	}
	if err == nil {
		m.calibrations = filepath.Join(folder, "calibrations")
	}
	return m
}

// openStore opens the file of the validator, by default in its home folder.
func (s *settings) openStore(cmd *cobra.Command) (*store.Store, error) {
	if s.store != "" {
		return store.Open(s.store)
	}
	folder, err := dataFolder(cmd)
	if err != nil {
		return nil, fmt.Errorf("no folder for what is to be kept: give --store or --home: %w", err)
	}
	return store.Open(filepath.Join(folder, "validator.db"))
}

// dataFolder is where the validator keeps its files.
func dataFolder(cmd *cobra.Command) (string, error) {
	home := ""
	if flag := cmd.Flags().Lookup("home"); flag != nil {
		home = flag.Value.String()
	}
	if home == "" {
		return "", errors.New("there is no --home")
	}
	return filepath.Join(home, "data"), nil
}

func (s *settings) check(cmd *cobra.Command) error {
	var errs []error
	sorted := slices.Sorted(slices.Values(s.netuids))
	if len(sorted) == 0 || sorted[0] == 0 || sorted[len(sorted)-1] > math.MaxUint32 || len(slices.Compact(sorted)) != len(s.netuids) {
		errs = append(errs, errors.New("--netuid: want the numbers of subnets, 1 or more, each once"))
	}
	errs = append(errs, s.rewards.check(cmd, s.netuids))
	if !(s.options.Shopped > 0 && s.options.Shopped <= 1) {
		errs = append(errs, fmt.Errorf("--shopped %g: want more than 0 and at most 1", s.options.Shopped))
	}
	if s.options.MaxAnswer < 1 || s.memory < 1 || s.models < 1 || s.options.Window < 1 || s.options.Ban <= 0 || s.options.Behind <= 0 || s.alertEach <= 0 {
		errs = append(errs, errors.New("--max-message-bytes, --max-memory-bytes, --memory-limit, --health-window, --ban, --behind and --alert-interval: want more than 0"))
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
