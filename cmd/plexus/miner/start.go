// Package minercmd is `plexus miner`.
package minercmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/cosmos/cosmos-sdk/version"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/cmd/plexus/chainflags"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/batching"
	"github.com/plexusnet/plexus/models/gpu"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/models/repository"
)

// Command returns `plexus miner`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "miner",
		Short: "Serve models and earn",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(startCommand(), healthCommand(), earningsCommand())
	return cmd
}

// settings are the flags of `plexus miner start`.
type settings struct {
	netuid   uint32
	hotkey   string
	coldkey  string
	maxBurn  string
	models   string
	model    string
	prices   prices
	library  string
	listen   string
	external string
	insecure bool
	tlsCert  string
	tlsKey   string
	metrics  string
	rest     string
	batching bool
	reload   time.Duration
	watch    time.Duration

	concurrency int
	perGPU      int
	memory      int64
	modelBytes  int64
	server      miner.ServerConfig
	strangers   string
	provider    string
	strict      bool
	tf32        bool
	queue       int
	payment     paymentSettings
}

func startCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Serve a folder of ONNX models over the Open Inference Protocol v2, registered and announced on the chain",
		Example: `  plexus miner start --netuid 1 --hotkey miner1 --coldkey owner --max-burn 2plx --models ./models
  plexus miner start --netuid 1 --hotkey miner1 --models ./models --listen 0.0.0.0:8500 --external miner.example.org:8500 --tls-cert cert.pem --tls-key key.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return s.start(cmd)
		},
	}
	chainflags.Add(cmd)
	chainflags.AddKeys(cmd)
	chainflags.AddIdentity(cmd)
	f := cmd.Flags()
	f.Uint32Var(&s.netuid, "netuid", 0, "subnet to mine in")
	f.StringVar(&s.hotkey, "hotkey", "", "key that announces the miner, by name")
	f.StringVar(&s.coldkey, "coldkey", "", "key that pays for the registration and receives what is earned, by name; without it nothing is registered")
	f.StringVar(&s.maxBurn, "max-burn", "1plx", "most that a registration may cost, such as 1.5plx or 1500000000nplx")
	f.StringVar(&s.models, "models", "", "folder of models, <name>/<version>/model.onnx, or one .onnx file")
	f.StringVar(&s.model, "model", "", "model to announce, of those in the folder (default: the only one)")
	s.prices.add(f)
	f.StringVar(&s.library, library.Flag, "", "ONNX Runtime's shared library (default: searched, see: plexus runtime info)")
	f.StringVar(&s.listen, "listen", "127.0.0.1:8500", "address to serve on; port 0 takes a free one")
	f.StringVar(&s.external, "external", "", "host:port to announce, where others reach this miner (default: the address served on)")
	f.BoolVar(&s.insecure, "insecure", false, "serve other machines in plaintext")
	f.StringVar(&s.tlsCert, "tls-cert", "", "TLS certificate, PEM; self-signed will do, its key is announced on the chain")
	f.StringVar(&s.tlsKey, "tls-key", "", "private key of the TLS certificate, PEM")
	f.StringVar(&s.strangers, "strangers", string(miner.StrangersLimited), "callers without a node certificate, where there is a node key: open, limited or refuse")
	f.Float64Var(&s.server.Policy.StrangerRate, "stranger-rate", 1, "requests per second of one host's strangers, where they are limited")
	f.Float64Var(&s.server.Policy.Rate, "caller-rate", 0, "requests per second of one account; 0: no bound")
	f.StringSliceVar(&s.server.Policy.Allow, "allow", nil, "accounts that may call, and no others")
	f.StringSliceVar(&s.server.Policy.Block, "block", nil, "accounts that may not call")
	f.StringVar(&s.metrics, "metrics", "", "address on this machine to serve Prometheus metrics on, such as 127.0.0.1:9500 (default: none)")
	f.StringVar(&s.rest, "rest", "", "address to serve the protocol over HTTP with JSON on, such as 127.0.0.1:8000 (default: none)")
	f.BoolVar(&s.batching, "batching", true, "run requests that wait together, for models that were measured at the start to gain by it")
	f.DurationVar(&s.reload, "reload-interval", 5*time.Second, "how often to look for models that were added, changed or removed; 0: never")
	f.BoolVar(&s.server.ModelControl, "model-control", false, "let callers on this machine load and unload models")
	f.DurationVar(&s.watch, "watch-interval", miner.DefaultWatchInterval, "how often to look at the chain")
	f.StringVar(&s.provider, "provider", "auto", "what runs the models: auto, cpu, cuda[:N] or tensorrt[:N]; what is named and not there is refused")
	f.BoolVar(&s.strict, "strict-provider", false, "refuse models of which a GPU cannot run every operator")
	f.BoolVar(&s.tf32, "use-tf32", false, "let matrix products on a GPU round to 19 bits: faster, and not what the CPU answers")
	f.IntVar(&s.concurrency, "concurrency", 0, "requests that run at once on the CPU (default: number of CPUs)")
	f.IntVar(&s.perGPU, "gpu-concurrency", ort.DefaultMaxRunsPerGPU, "requests that run at once on each GPU")
	f.IntVar(&s.queue, "queue", 64, "requests that wait, being read or for their turn; more are refused")
	f.Int64Var(&s.memory, "memory-limit", ort.DefaultMaxMemoryBytes, "bytes that models may hold for weights and tensors")
	f.Int64Var(&s.modelBytes, "max-model-bytes", repository.DefaultMaxModelBytes, "largest model, with the weights that it keeps in other files")
	f.Int64Var(&s.server.MaxMemoryBytes, "request-memory", 1<<30, "bytes that all requests in hand may hold")
	f.IntVar(&s.server.MaxMessageBytes, "max-message-bytes", oip.DefaultMaxMessageBytes, "largest request or response; a larger one is refused unread")
	f.DurationVar(&s.server.RequestTimeout, "request-timeout", 10*time.Second, "from a request's headers to its answer")
	f.DurationVar(&s.server.DrainTimeout, "drain-timeout", 15*time.Second, "what requests in hand get to finish when the miner is told to stop")
	f.DurationVar(&s.server.IdleTimeout, "idle-timeout", 5*time.Minute, "after which an unused connection is closed")
	f.IntVar(&s.server.MaxConnections, "max-connections", 1024, "connections at once")
	f.IntVar(&s.server.MaxStreams, "max-streams", 128, "requests at once on one connection")
	s.payment.add(f)
	for _, name := range []string{"netuid", "hotkey", "models"} {
		cobra.CheckErr(cmd.MarkFlagRequired(name))
	}
	return cmd
}

// start runs the miner until a signal comes. What can be wrong with the settings is found before anything is announced.
func (s *settings) start(cmd *cobra.Command) error {
	log, err := chainflags.Logger(cmd)
	if err != nil {
		return err
	}
	if err := errors.Join(s.check(), s.payment.check(flagText(cmd, chainflags.NodeKey))); err != nil {
		return err
	}
	ctx, stop := chainflags.UntilSignal(cmd)
	defer stop()
	keeper, chain, nodes, signer, err := s.keeper(cmd, log)
	if err != nil {
		return err
	}
	defer nodes.Close()
	identity, err := s.identity(cmd, signer)
	if err != nil {
		return err
	}
	rt, err := ort.OpenFound(s.library, ort.RuntimeOptions{MaxConcurrentRuns: s.concurrency, MaxRunsPerGPU: s.perGPU, MaxMemoryBytes: s.memory})
	if err != nil {
		return err
	}
	defer rt.Close()
	options, closeGPU, err := s.repository(rt, keeper.Metrics, log)
	if err != nil {
		return err
	}
	defer closeGPU()
	served, err := miner.OpenModels(ctx, rt, s.models, options, log)
	if err != nil {
		return err
	}
	defer served.Close()
	lis, err := miner.Listen(s.listen, identity, s.insecure)
	if err != nil {
		return err
	}
	defer lis.Close()
	if s.batching {
		served.MeasureBatches(ctx, batching.Options{})
	}
	if keeper.Endpoint, err = s.endpoint(lis.Addr(), identity, served); err != nil {
		return err
	}
	keeper.Current = func(e metagraph.Endpoint) metagraph.Endpoint {
		if hash, err := served.SHA256(e.Model); err == nil { // gone: what was announced stays
			e.ModelSHA256 = hash[:]
		}
		return e
	}
	log.Info("serving", "address", lis.Addr(), "tls", !identity.Plaintext(), "models", strings.Join(served.Names(), " "),
		"runtime", rt.Version(), "library", rt.Path(), "concurrency", rt.Slots())

	config := s.server
	config.Version, config.Identity, config.Metrics, config.Log = version.Version, identity, keeper.Metrics, log
	config.Policy.Strangers, config.Directory = miner.Strangers(s.strangers), &miner.Directory{}
	config.Policy.Payment = miner.Payment(s.payment.mode)
	paid, closeTill, err := s.payment.open(cmd, keeper, nodes.Free, s.watch, log)
	if err != nil {
		return err
	}
	defer closeTill()
	config.Till = paid
	if identity.Mutual() {
		read := func(ctx context.Context) (*metagraph.Metagraph, error) { return chain.Metagraph(ctx, s.netuid) }
		if paid != nil {
			sighted(ctx, config.Directory, read)
		}
		go config.Directory.Watch(ctx, s.watch, read)
	}
	config.Slots = rt.Slots()
	config.MaxInFlight = config.Slots + s.queue
	err = s.run(ctx, miner.NewServer(served, config), lis, served, keeper, paid)
	s.payment.finish(paid, log)
	return err
}

// run serves, keeps the chain informed, and counts, until ctx ends or one of the three cannot go on.
func (s *settings) run(ctx context.Context, server *miner.Server, lis net.Listener, served *miner.Models, keeper *miner.Keeper, paid *till.Till) error {
	group, ctx := errgroup.WithContext(ctx)
	if s.rest != "" {
		web, err := miner.ListenREST(s.rest, server.Identity(), s.insecure)
		if err != nil {
			return err
		}
		keeper.Log.Info("serving REST", "address", web.Addr())
		group.Go(func() error { return server.ServeREST(ctx, web) })
	}
	if s.reload > 0 {
		group.Go(func() error { served.Watch(ctx, s.reload); return nil })
	}
	if s.metrics != "" {
		counted, err := miner.ListenMetrics(s.metrics)
		if err != nil {
			return err
		}
		keeper.Log.Info("metrics", "address", counted.Addr())
		group.Go(func() error { return keeper.Metrics.Serve(ctx, counted) })
	}
	if paid != nil {
		group.Go(func() error { paid.Run(ctx); return nil })
		group.Go(func() error {
			if err := paid.ServeEarnings(ctx); err != nil { // no reason to stop
				keeper.Log.Warn("plexus miner earnings will find nobody to ask", "error", err)
			}
			return nil
		})
	}
	group.Go(func() error { return server.Serve(ctx, lis) })
	group.Go(func() error { return keeper.Run(ctx) })
	return group.Wait()
}

// keeper returns what keeps the chain informed; the endpoint is still to be said.
func (s *settings) keeper(cmd *cobra.Command, log *slog.Logger) (*miner.Keeper, *onchain.Chain, onchain.Nodes, *chainclient.Signer, error) {
	none := onchain.Nodes{}
	maxBurn, err := amount.Parse(s.maxBurn)
	if err != nil {
		return nil, nil, none, nil, fmt.Errorf("--max-burn: %w", err)
	}
	signers, err := chainflags.Signers(cmd, s.hotkey, s.coldkey, s.payment.from)
	if err != nil {
		return nil, nil, none, nil, err
	}
	s.payment.sign(signers[0], signers[1], signers[2])
	nodes, err := chainflags.DialNodes(cmd)
	if err != nil {
		return nil, nil, none, nil, err
	}
	chain := onchain.New(nodes, onchain.Keys{Hotkey: signers[0], Coldkey: signers[1]}, log)
	return &miner.Keeper{
		Member: membership.Member{Netuid: s.netuid, Hotkey: signers[0].Address(), HotkeyName: s.hotkey,
			CanRegister: signers[1] != nil, MaxBurn: maxBurn, Chain: chain, Log: log},
		Chain: chain, Interval: s.watch, Metrics: miner.NewMetrics(), Log: log,
	}, chain, nodes, signers[0], nil
}

func (s *settings) check() error {
	var errs []error
	if s.netuid == 0 {
		errs = append(errs, errors.New("--netuid: want the number of a subnet, 1 or more"))
	}
	if s.queue < 0 || s.concurrency < 0 || s.perGPU < 0 || s.modelBytes < 0 {
		errs = append(errs, errors.New("--queue, --concurrency, --gpu-concurrency and --max-model-bytes: want 0 or more"))
	}
	policy := s.server.Policy
	policy.Strangers, policy.Payment = miner.Strangers(s.strangers), miner.Payment(s.payment.mode)
	errs = append(errs, policy.Check())
	if (s.tlsCert == "") != (s.tlsKey == "") {
		errs = append(errs, errors.New("--tls-cert and --tls-key go together"))
	}
	return errors.Join(errs...)
}

// identity is the node key's, else that of a TLS certificate, else plaintext.
func (s *settings) identity(cmd *cobra.Command, hotkey *chainclient.Signer) (oip.Identity, error) {
	if s.tlsCert == "" {
		return chainflags.Identity(cmd, hotkey)
	}
	return oip.LoadIdentity(s.tlsCert, s.tlsKey)
}

// repository says how models are loaded and run: on the provider that was asked for, unless their configuration names
// another, with tensors no larger than a message.
func (s *settings) repository(rt *ort.Runtime, metrics *miner.Metrics, log *slog.Logger) (repository.Options, func(), error) {
	nothing := func() {}
	want, err := ort.ParseProvider(s.provider)
	if err != nil {
		return repository.Options{}, nothing, fmt.Errorf("--provider: %w", err)
	}
	want.Strict, want.TF32 = s.strict, s.tf32
	end := nothing
	var devices []gpu.Device
	board, noGPU := gpu.Open(nil)
	if noGPU == nil {
		end = board.Close
		metrics.Register(board.Collector())
		devices, noGPU = board.Devices()
	}
	provider, why, err := rt.Choose(want, devices, noGPU)
	if err != nil {
		end()
		return repository.Options{}, nothing, fmt.Errorf("--provider %s: %w", s.provider, err)
	}
	log.Info("provider", "chosen", provider.String(), "asked", s.provider, "reason", why)
	return repository.Options{
		Session:       ort.Options{Limits: models.Limits{MaxTensorBytes: int64(s.server.MaxMessageBytes)}, Providers: []ort.Provider{provider}},
		Machine:       repository.Machine{GPUs: devices, NoGPU: noGPU},
		MaxModelBytes: s.modelBytes,
	}, end, nil
}

// announced returns the model whose name goes on the chain.
func (s *settings) announced(served *miner.Models) (string, error) {
	names := served.Names()
	if s.model == "" && len(names) > 1 {
		return "", fmt.Errorf("%s holds several models (%s): say with --model which one to announce", s.models, strings.Join(names, ", "))
	}
	if s.model == "" {
		return names[0], nil
	}
	if len(served.Versions(s.model)) == 0 {
		return "", fmt.Errorf("--model %s is not among the models served (%s)", s.model, strings.Join(names, ", "))
	}
	return s.model, nil
}

// endpoint returns what goes on the chain.
func (s *settings) endpoint(bound net.Addr, identity oip.Identity, served *miner.Models) (metagraph.Endpoint, error) {
	var none metagraph.Endpoint
	model, err := s.announced(served)
	if err != nil {
		return none, err
	}
	hash, err := served.SHA256(model)
	if err != nil {
		return none, err
	}
	host, port, err := s.reachable(bound)
	if err != nil {
		return none, err
	}
	e := metagraph.Endpoint{Host: host, Port: port, Protocol: oip.Protocol, TLSKeyHash: identity.KeyHash(), Model: model, ModelSHA256: hash[:]}
	if err := s.prices.set(&e); err != nil {
		return none, err
	}
	return e, nil
}

// reachable returns where others are to call: what the operator says, else where the miner listens.
func (s *settings) reachable(bound net.Addr) (host string, port uint16, err error) {
	address := cmp.Or(s.external, bound.String())
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("--external %q: want HOST:PORT: %w", address, err)
	}
	number, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("--external %q: the port is not 1 to 65535", address)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		return "", 0, fmt.Errorf("nobody can be told to call %s: give --external HOST:PORT, where others reach this miner", address)
	}
	return host, uint16(number), nil
}
