package simcmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/netutil"

	"github.com/plexusnet/plexus/sims/serve"
)

// service is what the flags of `plexus sim serve` say.
type service struct {
	listen         string
	remote         bool
	dir            string
	body           bytesFlag
	limits         limitFlags
	connections    int
	requestTimeout time.Duration
	grace          time.Duration
	cfg            serve.Config
}

func serveCommand(s Settings) *cobra.Command {
	v := service{cfg: serve.Config{Kinds: s.Kinds, Version: s.Version}, body: serve.DefaultMaxBody}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run scenarios that are sent over HTTP, and give their reports",
		Long: `Takes scenarios by POST /v1/experiments, runs them one after another, tells how far they are and gives their reports and
files; GET / is a page to do so by hand. What waits or runs when it ends is gone on with at the next start on the same
folder.

It speaks plain HTTP and knows no passwords: whoever reaches it can use it and read all experiments. So it listens on
this machine alone. For others put a proxy with TLS and a login before it; --allow-remote listens elsewhere without.`,
		Example: `  plexus sim serve
  curl --data-binary @question.yaml 'http://127.0.0.1:8095/v1/experiments?kind=compare'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return v.run(cmd)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&v.listen, "listen", "127.0.0.1:8095", "address to serve on; port 0 takes a free one")
	fs.BoolVar(&v.remote, "allow-remote", false, "serve on an address that other machines reach, without TLS and to everybody")
	fs.StringSliceVar(&v.cfg.Hosts, "hosts", nil, "names that requests may be for (default: those of this machine; with --allow-remote any)")
	fs.StringVar(&v.dir, "dir", "", "folder of the experiments (default: data/simulations in --home)")
	fs.IntVar(&v.cfg.Queue, "queue", serve.DefaultQueue, "experiments that may wait")
	fs.IntVar(&v.cfg.Keep, "keep", serve.DefaultKeep, "finished experiments to keep; the oldest go")
	fs.DurationVar(&v.cfg.Timeout, "timeout", serve.DefaultTimeout, "most time that one experiment may take")
	fs.IntVar(&v.cfg.Workers, "workers", 0, "runs computed at a time, 0 for one per processor; changes no result")
	fs.Var(&v.body, "max-body", "most bytes of a scenario")
	fs.IntVar(&v.connections, "max-connections", 256, "most connections at a time; more wait")
	fs.DurationVar(&v.requestTimeout, "request-timeout", time.Minute, "most time that a request may take to send, and its answer to read; watching progress may take longer")
	fs.DurationVar(&v.grace, "grace", 10*time.Second, "how long requests may go on after a signal")
	v.limits.add(fs)
	return cmd
}

func (v *service) check() error {
	for _, limit := range []struct {
		name  string
		value int
	}{{"queue", v.cfg.Queue}, {"keep", v.cfg.Keep}, {"max-connections", v.connections}} {
		if limit.value < 1 {
			return fmt.Errorf("--%s %d: want 1 or more", limit.name, limit.value)
		}
	}
	for _, limit := range []struct {
		name  string
		value time.Duration
	}{{"timeout", v.cfg.Timeout}, {"request-timeout", v.requestTimeout}, {"grace", v.grace}} {
		if limit.value <= 0 {
			return fmt.Errorf("--%s %s: want more than 0", limit.name, limit.value)
		}
	}
	if v.cfg.Workers < 0 {
		return fmt.Errorf("--workers %d: want 0 or more", v.cfg.Workers)
	}
	if !v.remote && !local(v.listen) {
		return fmt.Errorf("--listen %s: other machines may reach it, without TLS and without a password: want an address of this machine, such as 127.0.0.1:8095, or --allow-remote", v.listen)
	}
	return v.limits.check()
}

// local tells whether host:port is this machine and no other, without asking a name server.
func local(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// run serves until a signal comes.
func (v *service) run(cmd *cobra.Command) error {
	if err := v.check(); err != nil {
		return err
	}
	if v.dir == "" {
		home := cmd.Flag("home")
		if home == nil || home.Value.String() == "" {
			return errors.New("--dir: say where the experiments are to be kept, for there is no --home")
		}
		v.dir = filepath.Join(home.Value.String(), "data", "simulations")
	}
	v.cfg.Dir, v.cfg.Limits, v.cfg.MaxBody, v.cfg.Log = v.dir, v.limits.all(), int64(v.body), logger(cmd)
	if host, _, err := net.SplitHostPort(v.listen); err == nil && len(v.cfg.Hosts) == 0 && local(v.listen) {
		v.cfg.Hosts = []string{"localhost", "127.0.0.1", "::1", host}
	}
	release, err := alone(v.dir)
	if err != nil {
		return err
	}
	defer release()
	server, err := serve.New(v.cfg)
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", v.listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w; give another address", v.listen, err)
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(v.cfg.Limits.Memory + beyondMemory))
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills
	fmt.Fprintf(cmd.OutOrStdout(), "serving on http://%s, experiments in %s\n", lis.Addr(), v.dir)
	return v.serve(ctx, netutil.LimitListener(lis, v.connections), server)
}

// serve answers and runs until ctx ends, and returns when what ran is saved.
func (v *service) serve(ctx context.Context, lis net.Listener, server *serve.Server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answering := &http.Server{
		Handler:           v.timed(server),
		ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }, // who watches progress hears the end
	}
	ended := make(chan struct{})
	go func() { server.Run(ctx); close(ended) }()
	down := make(chan error, 1)
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.Background(), v.grace)
		defer cancel()
		if answering.Shutdown(last) != nil {
			answering.Close()
		}
		down <- nil
	}()
	err := answering.Serve(lis)
	cancel()
	<-ended
	<-down
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// timed bounds how long a request takes to read and an answer to write. Events come for as long as an experiment runs.
func (v *service) timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		end := time.Now().Add(v.requestTimeout)
		if r.Method == http.MethodPost {
			_ = control.SetReadDeadline(end) // a connection that takes no deadline is gone
		}
		if strings.HasSuffix(r.URL.Path, "/events") {
			end = time.Time{}
		}
		_ = control.SetWriteDeadline(end)
		next.ServeHTTP(w, r)
	})
}

// alone makes sure that no other process serves a folder.
func alone(dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("--dir %s: another process serves it: %w", dir, err)
	}
	return func() { lock.Close() }, nil
}

// logger writes to the command's standard error, as JSON if the root command's flag says so.
func logger(cmd *cobra.Command) *slog.Logger {
	if f := cmd.Flag("log_format"); f != nil && f.Value.String() == "json" {
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
	}
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
}
