// Package localnetcmd is `plexus localnet`.
package localnetcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/plexusnet/plexus/chain/localnet"
	"github.com/plexusnet/plexus/models/ort/library"
)

const (
	outputTable = "table"
	outputJSON  = "json"
)

// settings are the flags of `plexus localnet`.
type settings struct {
	options localnet.Options
	keep    bool
	output  string
}

// Command returns `plexus localnet`.
func Command() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "localnet",
		Short: "Run a whole network on this machine and watch it earn",
		Long: `Runs a node, a beacon, three validators of unequal stake and four miners as processes of this binary: three miners with models of
different quality, which are trained when they are not there yet, and one whose model was never trained. Shows what
each earns, in a table on a terminal and in plain lines elsewhere, until --for epochs have paid miners or Ctrl-C.

Everything lies in a temporary folder that is removed at the end, unless --keep or --home is given.`,
		Example: `  plexus localnet
  plexus localnet --for 8 --output json
  plexus localnet --home ./net --restart node,miner-large`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return s.run(cmd)
		},
	}
	f := cmd.Flags()
	f.IntVar(&s.options.Epochs, "for", 0, "stop after so many epochs in which miners were paid (default: at Ctrl-C)")
	f.DurationVar(&s.options.BlockTime, "block-time", localnet.DefaultBlockTime, "pause between blocks")
	f.Uint64Var(&s.options.Tempo, "tempo", localnet.DefaultTempo, "blocks per epoch; other periods are scaled with it")
	f.DurationVar(&s.options.StartTimeout, "start-timeout", localnet.DefaultStartTimeout, "give up when no miner was paid after this time")
	f.StringSliceVar(&s.options.Restart, "restart", nil, "processes to start again when they die, such as node,miner-large")
	f.Uint64Var(&s.options.Seed, "seed", 1, "seed of the models that are trained")
	f.StringVar(&s.options.Library, library.Flag, "", "ONNX Runtime's shared library (default: searched, fetched if it is nowhere)")
	f.BoolVar(&s.keep, "keep", false, "keep the folder of the network")
	f.StringVarP(&s.output, "output", "o", outputTable, "final summary: table or json (then all else goes to standard error)")
	return cmd
}

func (s settings) run(cmd *cobra.Command) error {
	if s.output != outputTable && s.output != outputJSON {
		return fmt.Errorf("--output %q: want %s or %s", s.output, outputTable, outputJSON)
	}
	dir, temporary, err := folder(cmd)
	if err != nil {
		return err
	}
	started, keep := false, s.keep || !temporary
	defer func() {
		if !keep {
			os.RemoveAll(dir)
		}
	}()
	ctx, kill, stop := signals(cmd)
	defer stop()

	out := s.progress(cmd)
	s.options.Dir, s.options.Kill, s.options.Out = dir, kill, out
	s.options.Live, s.options.Width = terminal(out)
	s.options.Started = func(p localnet.Places) {
		started = true
		fmt.Fprint(out, hints(p))
	}
	summary, err := localnet.Run(ctx, s.options)
	if summary != nil {
		if err := s.print(cmd, summary); err != nil {
			return err
		}
	}
	// The logs of a network that failed are worth more than a tidy disk.
	keep = keep || started && err != nil && !errors.Is(err, localnet.ErrInterrupted)
	if keep && started {
		fmt.Fprint(out, kept(dir))
	}
	return err
}

// folder is where the network goes: --home if that was given, else a temporary
// one.
func folder(cmd *cobra.Command) (dir string, temporary bool, err error) {
	if home := cmd.Flags().Lookup("home"); home != nil && home.Changed {
		dir, err := filepath.Abs(home.Value.String())
		return dir, false, err
	}
	dir, err = os.MkdirTemp("", "plexus-localnet-")
	return dir, true, err
}

// signals returns a context that the first signal ends, and one that the
// second ends.
func signals(cmd *cobra.Command) (first, second context.Context, stop func()) {
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	first, endFirst := context.WithCancel(parent)
	second, endSecond := context.WithCancel(parent)
	received := make(chan os.Signal, 2)
	signal.Notify(received, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for range received {
			if first.Err() == nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "\nstopping; once more to kill")
				endFirst()
				continue
			}
			endSecond()
		}
	}()
	return first, second, func() {
		signal.Stop(received)
		close(received)
		endFirst()
	}
}

// progress is where all but the summary goes.
func (s settings) progress(cmd *cobra.Command) io.Writer {
	if s.output == outputJSON {
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}

func terminal(out io.Writer) (live bool, width func() int) {
	file, ok := out.(*os.File)
	if !ok || !isatty.IsTerminal(file.Fd()) || os.Getenv("TERM") == "dumb" {
		return false, nil
	}
	return true, func() int {
		columns, _, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return 0
		}
		return columns
	}
}

func (s settings) print(cmd *cobra.Command, summary *localnet.Summary) error {
	if s.output == outputJSON {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(summary)
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), "\n"+localnet.Report(summary))
	return err
}

// hints are commands to try while the network runs.
func hints(p localnet.Places) string {
	program := os.Args[0]
	lines := []string{
		"A local Plexus network. While it runs, in another terminal:",
		fmt.Sprintf("  %s model sample --folder digits --count 10", program),
		fmt.Sprintf("  %s infer --netuid 1 --node %s digits/*.png", program, p.GRPC),
		fmt.Sprintf("  %s miner health --netuid 1 --validator %s", program, strings.Join(p.Health, ",")),
		fmt.Sprintf("  %s query subnet metagraph 1 --node %s", program, p.RPC),
		fmt.Sprintf("  %s query subnet emission --node %s", program, p.RPC),
		fmt.Sprintf("  %s tx bank send owner ADDRESS 1000000nplx --home %s", program, p.Home),
		fmt.Sprintf("  curl %s/plexus/subnet/v1/subnets/1/metagraph", p.REST),
		"",
	}
	return strings.Join(lines, "\n") + "\n"
}

// kept says how to look at a network that has stopped.
func kept(dir string) string {
	program := os.Args[0]
	return fmt.Sprintf(`
The network is kept in %[2]s:
  less %[2]s/logs/node.log             logs, one per process
  %[1]s start --home %[2]s/node        continue the chain
  %[1]s export --home %[2]s/node       its state as JSON
  %[1]s keys list --home %[2]s/node --keyring-backend test
`, program, dir)
}
