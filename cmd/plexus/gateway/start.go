package gatewaycmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/cosmos/cosmos-sdk/version"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/cmd/plexus/chainflags"
	"github.com/plexusnet/plexus/gateway"
	"github.com/plexusnet/plexus/gateway/keys"
	"github.com/plexusnet/plexus/gateway/ledger"
	"github.com/plexusnet/plexus/gateway/openai"
)

// settings are the flags of `plexus gateway start`.
type settings struct {
	netuids []uint
	models  []string
	text    textFlags

	listen, metrics string
	tlsCert, tlsKey string
	plaintext       bool
	open            bool
	openDay         string
	openTotal       string
	openRate        float64
	cors            []string

	payer, wallet, pay     string
	budget, deposit, step  string
	spendDay, maxPrice     string
	hedge                  string
	insecure               bool
	client                 client.Options
	cfg                    gateway.Config
	ledgerBytes            int64
	ledgerSync, keyRefresh time.Duration
}

// textFlags say what the tensors of models of text are for: NAME=VALUE each.
type textFlags struct {
	embedding, classification, generation, labels, flagged []string
}

func startCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Answer the Open Inference Protocol and OpenAI's interface with the models of subnets",
		Long: `Answers, on one port, the Open Inference Protocol v2 over gRPC and REST (/v2), the same by gRPC-Web and JSON for pages, and
OpenAI's interface (/v1) for models of text. Models are asked for by names of your own (--model), by "subnet-<netuid>", or by
the names that miners announce. Callers show an API key (plexus gateway keys create) unless --open lets everybody on this machine in.`,
		Example: `  plexus gateway start --netuid 1 --open
  plexus gateway start --netuid 1 --netuid 2 --model assistant=2+1 --payer alice --node-key node.pem --chain-id plexus-1 --budget 10plx
  plexus gateway start --netuid 2 --listen 0.0.0.0:8600 --tls-cert cert.pem --tls-key key.pem --cors https://example.org`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return s.start(cmd)
		},
	}
	chainflags.Add(cmd)
	chainflags.AddKeys(cmd)
	chainflags.AddIdentity(cmd)
	addKeysFlag(cmd)
	addLedgerFlag(cmd)
	s.addWhat(cmd)
	s.addWho(cmd)
	s.addMoney(cmd)
	s.addBounds(cmd)
	cobra.CheckErr(cmd.MarkFlagRequired("netuid"))
	return cmd
}

// addWhat adds the flags of models.
func (s *settings) addWhat(cmd *cobra.Command) {
	f := cmd.Flags()
	f.UintSliceVar(&s.netuids, "netuid", nil, "subnets whose models are offered; repeatable")
	f.StringSliceVar(&s.models, "model", nil, "model by a name of your own, as NAME=NETUID, or NAME=NETUID+NETUID to go on to the next where nobody answers; repeatable")
	f.StringSliceVar(&s.text.embedding, "embedding", nil, `output with embeddings, as MODEL=OUTPUT (default: "embedding"); repeatable`)
	f.StringSliceVar(&s.text.classification, "classification", nil, `output with probabilities of classes, as MODEL=OUTPUT (default: "probabilities"); repeatable`)
	f.StringSliceVar(&s.text.generation, "generation", nil, `output with generated text, as MODEL=OUTPUT (default: "text_output"); repeatable`)
	f.StringSliceVar(&s.text.labels, "labels", nil, "names of a model's classes, as MODEL=LABEL|LABEL|... (default: those of the text task, or numbers); repeatable")
	f.StringSliceVar(&s.text.flagged, "flagged", nil, "labels that /v1/moderations flags, as MODEL=LABEL|LABEL|...; repeatable")
}

// addWho adds the flags of callers.
func (s *settings) addWho(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:8600", "address to serve on; port 0 takes a free one")
	f.StringVar(&s.tlsCert, "tls-cert", "", "TLS certificate, PEM, with those above it")
	f.StringVar(&s.tlsKey, "tls-key", "", "private key of the TLS certificate, PEM")
	f.BoolVar(&s.plaintext, "plaintext", false, "let --listen be an address that other machines reach, in plaintext: API keys can be read on the way")
	f.BoolVar(&s.open, "open", false, "let everybody on this machine call without a key")
	f.StringVar(&s.openDay, "open-budget-day", "0nplx", "most that callers without a key may spend together per day of UTC; 0: no bound")
	f.StringVar(&s.openTotal, "open-budget-total", "0nplx", "most that callers without a key may ever spend together; 0: no bound")
	f.Float64Var(&s.openRate, "open-rate", 0, "requests per second of callers without a key together; 0: no bound")
	f.StringSliceVar(&s.cors, "cors", nil, "origins of web pages that may call from a browser, such as https://example.org, or *; repeatable (default: none)")
	f.StringVar(&s.metrics, "metrics", "127.0.0.1:8601", "address on this machine to serve /metrics and /status on; empty: none")
	f.DurationVar(&s.keyRefresh, "key-refresh", 200*time.Millisecond, "how long a change to the file of keys may go unseen")
}

// addMoney adds the flags of payment and of the books.
func (s *settings) addMoney(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.payer, "payer", "", "account that pays miners, by name (needs --node-key, --chain-id and --budget); without one only miners that ask for nothing answer")
	f.StringVar(&s.wallet, "wallet", "", "file of the wallet (default: data/gateway-wallet.db in --home)")
	f.StringVar(&s.budget, "budget", "0nplx", "most that may ever be out in channels or spent, such as 10plx")
	f.StringVar(&s.deposit, "deposit", "1plx", "what a channel to a miner is opened with, and topped up to")
	f.StringVar(&s.step, "step", "0nplx", "what is signed ahead, and lost at most to a miner that runs away (default: a hundredth of --deposit)")
	f.StringVar(&s.spendDay, "spend-day", "0nplx", "most that is signed for within 24 hours; 0: no bound but --budget")
	f.StringVar(&s.maxPrice, "max-price", "0.001plx", "most that one call of a miner may cost")
	f.StringVar(&s.pay, "pay", string(client.PayAsked), "which calls are paid for: asked (to miners that refuse unpaid ones) or always (to all that have a price)")
	f.Int64Var(&s.ledgerBytes, "ledger-bytes", 1<<30, "how much of the ledger is kept; the oldest goes")
	f.DurationVar(&s.ledgerSync, "ledger-sync", 100*time.Millisecond, "how much of the ledger a loss of power may cost")
}

// addBounds adds the flags of everything that could grow, and of how miners are called.
func (s *settings) addBounds(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&s.cfg.MaxRequestBytes, "max-request-bytes", oip.DefaultMaxMessageBytes, "largest request or response")
	f.IntVar(&s.cfg.MaxTexts, "max-texts", 2048, "texts in one request to /v1")
	f.IntVar(&s.cfg.MaxRows, "max-rows", 64, "texts in one call of a miner; more take several calls")
	f.IntVar(&s.cfg.MaxInFlight, "max-in-flight", 256, "requests that are answered at once")
	f.IntVar(&s.cfg.Queue, "queue", 256, "requests that wait for their turn; more are refused")
	f.DurationVar(&s.cfg.QueueTimeout, "queue-timeout", 2*time.Second, "how long a request waits for its turn")
	f.DurationVar(&s.cfg.RequestTimeout, "request-timeout", 30*time.Second, "from a request's headers to its answer")
	f.DurationVar(&s.cfg.DrainTimeout, "drain-timeout", 15*time.Second, "what requests in hand get to finish when the gateway is told to stop")
	f.DurationVar(&s.cfg.IdleTimeout, "idle-timeout", 5*time.Minute, "after which an unused connection is closed")
	f.IntVar(&s.cfg.MaxConnections, "max-connections", 1024, "connections at once; more wait to be accepted")
	f.IntVar(&s.cfg.MaxStreams, "max-streams", 128, "requests at once on one connection")
	f.DurationVar(&s.cfg.DescribeTTL, "describe-ttl", 30*time.Second, "how long what a miner says of its model is good")
	f.DurationVar(&s.client.Timeout, "timeout", 5*time.Second, "what one miner gets to answer")
	f.IntVar(&s.client.Attempts, "attempts", 3, "miners asked before giving up")
	f.IntVar(&s.client.Among, "among", 8, "of how many of the best miners one is chosen")
	f.IntVar(&s.client.Spares, "spares", 2, "miners beside the best that are kept ready; -1: none")
	f.StringVar(&s.hedge, "hedge", "", "ask another miner as well when one has not answered for so long, such as 50ms, or p95 of its answers (default: never)")
	f.DurationVar(&s.client.Refresh, "refresh", 10*time.Second, "how long the list of miners is good")
	f.BoolVar(&s.insecure, "insecure", false, "ask miners on other machines in plaintext, if they announce no TLS key")
}

// start runs the gateway until a signal comes. What can be wrong with the settings is found before anything is opened.
func (s *settings) start(cmd *cobra.Command) error {
	log, err := chainflags.Logger(cmd)
	if err != nil {
		return err
	}
	if err := s.configure(cmd, log); err != nil {
		return err
	}
	ctx, stop := chainflags.UntilSignal(cmd)
	defer stop()
	nodes, err := chainflags.DialNodes(cmd)
	if err != nil {
		return err
	}
	defer nodes.Close()
	closeWallet, err := s.openWallet(cmd, nodes, log)
	if err != nil {
		return err
	}
	defer closeWallet()
	folder, err := ledgerPath(cmd)
	if err != nil {
		return err
	}
	book, err := ledger.Open(folder, ledger.Options{MaxBytes: s.ledgerBytes, Sync: s.ledgerSync, Log: log})
	if err != nil {
		return err
	}
	defer func() {
		if err := book.Close(); err != nil {
			log.Error("close the ledger", "error", err)
		}
	}()
	s.cfg.Ledger = book
	g, err := gateway.New(onchain.New(nodes, onchain.Keys{}, log), s.client, s.cfg)
	if err != nil {
		return err
	}
	defer g.Close()
	return s.serve(ctx, g, log)
}

// serve answers on the listeners until ctx ends.
func (s *settings) serve(ctx context.Context, g *gateway.Gateway, log *slog.Logger) error {
	lis, err := gateway.Listen(s.listen, s.cfg.TLS, s.plaintext, s.open)
	if err != nil {
		return err
	}
	var state net.Listener
	if s.metrics != "" {
		if state, err = gateway.ListenState(s.metrics); err != nil {
			return errors.Join(err, lis.Close())
		}
		log.Info("listening", "for", "metrics", "address", state.Addr())
	}
	log.Info("serving", "address", lis.Addr(), "tls", s.cfg.TLS != nil, "open", s.open, "subnets", s.cfg.Netuids, "keys", s.cfg.Keys.Path(), "pays", s.client.Wallet != nil)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	if state != nil {
		group.Go(func() error { return g.ServeState(ctx, state) })
	}
	group.Go(func() error { defer cancel(); return g.Serve(ctx, lis) })
	return group.Wait()
}

// configure reads the flags.
func (s *settings) configure(cmd *cobra.Command, log *slog.Logger) error {
	var err error
	if s.cfg.Netuids, err = netuids("netuid", s.netuids); err != nil {
		return err
	}
	if s.cfg.Aliases, err = aliases(s.models); err != nil {
		return err
	}
	if s.cfg.Text, err = s.text.settings(); err != nil {
		return err
	}
	if s.cfg.TLS, err = gateway.LoadTLS(s.tlsCert, s.tlsKey); err != nil {
		return err
	}
	path, err := keysPath(cmd)
	if err != nil {
		return err
	}
	s.cfg.Keys = keys.Open(path, keys.Options{Refresh: s.keyRefresh})
	if _, err := s.cfg.Keys.List(); err != nil {
		return err
	}
	if s.open {
		day, dayErr := amountOf("open-budget-day", s.openDay)
		total, totalErr := amountOf("open-budget-total", s.openTotal)
		if err := errors.Join(dayErr, totalErr); err != nil {
			return err
		}
		s.cfg.Open = gateway.OpenKey(total, day, s.openRate)
	}
	if s.client.Hedge, err = hedge(s.hedge); err != nil {
		return err
	}
	s.cfg.Origins, s.cfg.Version, s.cfg.Log = s.cors, version.Version, log
	s.client.Log, s.client.Dialer = log, oip.Dialer{Insecure: s.insecure, MaxMessageBytes: s.cfg.MaxRequestBytes}
	return s.checkBounds()
}

func (s *settings) checkBounds() error {
	for flag, value := range map[string]int{"max-request-bytes": s.cfg.MaxRequestBytes, "max-texts": s.cfg.MaxTexts, "max-rows": s.cfg.MaxRows, "max-in-flight": s.cfg.MaxInFlight,
		"queue": s.cfg.Queue, "max-connections": s.cfg.MaxConnections, "max-streams": s.cfg.MaxStreams, "attempts": s.client.Attempts, "among": s.client.Among} {
		if value < 1 {
			return fmt.Errorf("--%s %d: want 1 or more", flag, value)
		}
	}
	for flag, value := range map[string]time.Duration{"queue-timeout": s.cfg.QueueTimeout, "request-timeout": s.cfg.RequestTimeout, "drain-timeout": s.cfg.DrainTimeout,
		"idle-timeout": s.cfg.IdleTimeout, "describe-ttl": s.cfg.DescribeTTL, "timeout": s.client.Timeout, "refresh": s.client.Refresh, "ledger-sync": s.ledgerSync, "key-refresh": s.keyRefresh} {
		if value <= 0 {
			return fmt.Errorf("--%s %v: want more than 0", flag, value)
		}
	}
	if s.ledgerBytes < 1 {
		return fmt.Errorf("--ledger-bytes %d: want 1 or more", s.ledgerBytes)
	}
	if s.pay != string(client.PayAsked) && s.pay != string(client.PayAlways) {
		return fmt.Errorf("--pay %q: want asked or always", s.pay)
	}
	return nil
}

// openWallet gives the client a wallet and an identity, where somebody pays.
func (s *settings) openWallet(cmd *cobra.Command, nodes onchain.Nodes, log *slog.Logger) (closeWallet func(), err error) {
	if s.payer == "" {
		return func() {}, nil
	}
	signer, err := chainflags.Signer(cmd, s.payer)
	if err != nil {
		return nil, err
	}
	if s.client.Dialer.Identity, err = chainflags.Identity(cmd, signer); err != nil {
		return nil, err
	}
	key := s.client.Dialer.Identity.NodeKey()
	if key == nil {
		return nil, fmt.Errorf("--payer %s: give --%s too, the key that signs what is owed, and --chain-id", s.payer, chainflags.NodeKey)
	}
	chain, err := onchain.NewWallet(nodes, signer)
	if err != nil {
		return nil, err
	}
	o := wallet.Options{Chain: chain, Key: key, Log: log}
	if o.ChainID, err = cmd.Flags().GetString("chain-id"); err != nil {
		return nil, err
	}
	if o.Path, err = place(cmd, "wallet", "gateway-wallet.db"); err != nil {
		return nil, err
	}
	for flag, one := range map[string]struct {
		text string
		into *uint64
	}{"budget": {s.budget, &o.Budget}, "deposit": {s.deposit, &o.Deposit}, "step": {s.step, &o.Step}, "spend-day": {s.spendDay, &o.Spend}, "max-price": {s.maxPrice, &s.client.MaxPrice}} {
		if *one.into, err = amountOf(flag, one.text); err != nil {
			return nil, err
		}
	}
	if o.Budget == 0 || s.client.MaxPrice == 0 {
		return nil, errors.New("--payer: say how much may be spent in all, with --budget, and on one call of a miner, with --max-price")
	}
	w, err := wallet.Open(o)
	if err != nil {
		return nil, err
	}
	s.client.Wallet, s.client.Pay = w, client.Pay(s.pay)
	return func() {
		if err := w.Close(); err != nil {
			log.Error("close the wallet", "error", err)
		}
	}, nil
}

func amountOf(flag, text string) (uint64, error) {
	nplx, err := amount.Parse(text)
	if err != nil {
		return 0, fmt.Errorf("--%s: %w", flag, err)
	}
	return nplx, nil
}

// netuids are numbers of subnets, each once.
func netuids(flag string, list []uint) ([]uint32, error) {
	var out []uint32
	for _, n := range list {
		if n == 0 || n > math.MaxUint32 || slices.Contains(out, uint32(n)) {
			return nil, fmt.Errorf("--%s %d: want the numbers of subnets, 1 or more, each once", flag, n)
		}
		out = append(out, uint32(n))
	}
	return out, nil
}

// aliases are the models of the operator's own.
func aliases(list []string) (map[string][]uint32, error) {
	out := map[string][]uint32{}
	for _, one := range list {
		name, numbers, found := strings.Cut(one, "=")
		if _, twice := out[name]; !found || twice {
			return nil, fmt.Errorf("--model %q: want NAME=NETUID or NAME=NETUID+NETUID, each name once", one)
		}
		var chosen []uint
		for _, number := range strings.Split(numbers, "+") {
			n, err := strconv.ParseUint(number, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("--model %q: %q is no number of a subnet", one, number)
			}
			chosen = append(chosen, uint(n))
		}
		subnets, err := netuids("model", chosen)
		if err != nil {
			return nil, err
		}
		out[name] = subnets
	}
	return out, nil
}

// settings are what the flags say of models of text.
func (t textFlags) settings() (map[string]openai.Settings, error) {
	out := map[string]openai.Settings{}
	for flag, one := range map[string]struct {
		list []string
		set  func(*openai.Settings, string)
	}{
		"embedding":      {t.embedding, func(s *openai.Settings, v string) { s.Embedding = v }},
		"classification": {t.classification, func(s *openai.Settings, v string) { s.Classification = v }},
		"generation":     {t.generation, func(s *openai.Settings, v string) { s.Generation = v }},
		"labels":         {t.labels, func(s *openai.Settings, v string) { s.Labels = strings.Split(v, "|") }},
		"flagged":        {t.flagged, func(s *openai.Settings, v string) { s.Flagged = strings.Split(v, "|") }},
	} {
		for _, entry := range one.list {
			model, value, found := strings.Cut(entry, "=")
			if !found || model == "" || value == "" {
				return nil, fmt.Errorf("--%s %q: want MODEL=VALUE", flag, entry)
			}
			s := out[model]
			one.set(&s, value)
			out[model] = s
		}
	}
	return out, nil
}

// hedge is when another miner is asked as well.
func hedge(text string) (time.Duration, error) {
	switch text {
	case "":
		return 0, nil
	case "p95":
		return client.HedgeP95, nil
	}
	after, err := time.ParseDuration(text)
	if err != nil || after <= 0 {
		return 0, fmt.Errorf("--hedge %q: want a duration such as 50ms, or p95", text)
	}
	return after, nil
}
