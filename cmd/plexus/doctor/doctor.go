// Package doctorcmd is `plexus doctor`: what this machine can do, line by line, with the remedy where it cannot.
package doctorcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/cmd/plexus/chainflags"
	"github.com/plexusnet/plexus/models/gpu"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/library"
)

// State is how a check went.
type State string

// The states. Only Bad makes the command fail.
const (
	Good    State = "ok"
	Notice  State = "note" // works without
	Bad     State = "bad"
	Skipped State = "skipped"
)

// Finding is one line.
type Finding struct {
	Check  string `json:"check"`
	State  State  `json:"state"`
	Says   string `json:"says"`
	Remedy string `json:"remedy,omitempty"`
}

// ErrBad is returned when something does not work that a miner needs.
var ErrBad = errors.New("not all is well")

type settings struct {
	library string
	output  string
	listen  []string
	netuid  uint32
	hotkey  string
	timeout time.Duration
}

// Command returns `plexus doctor`.
func Command() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can do, and what to do about what it cannot",
		Example: `  plexus doctor
  plexus doctor --netuid 1 --hotkey miner1 --listen 0.0.0.0:8500`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return s.run(cmd)
		},
	}
	chainflags.Add(cmd)
	chainflags.AddKeys(cmd)
	f := cmd.Flags()
	f.StringVar(&s.library, library.Flag, "", "ONNX Runtime's shared library (default: searched, see: plexus runtime info)")
	f.StringVarP(&s.output, "output", "o", "text", "text or json")
	f.StringSliceVar(&s.listen, "listen", []string{"127.0.0.1:8500"}, "addresses that the miner is to listen on")
	f.Uint32Var(&s.netuid, "netuid", 0, "subnet to mine in (default: registration is not looked at)")
	f.StringVar(&s.hotkey, "hotkey", "", "key to mine with, by name (default: keys are not looked at)")
	f.DurationVar(&s.timeout, "timeout", 5*time.Second, "what the chain gets to answer")
	return cmd
}

func (s *settings) run(cmd *cobra.Command) error {
	if s.output != "text" && s.output != "json" {
		return fmt.Errorf("--output %q: want text or json", s.output)
	}
	findings := s.machine()
	for _, address := range s.listen {
		findings = append(findings, port(address))
	}
	findings = append(findings, s.chain(cmd)...)
	if err := write(cmd, s.output, findings); err != nil {
		return err
	}
	for _, f := range findings {
		if f.State == Bad {
			return ErrBad
		}
	}
	return nil
}

// machine looks at the processor, the GPUs, the library and its providers.
func (s *settings) machine() []Finding {
	out := []Finding{{Check: "machine", State: Good, Says: fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), memory())}}
	devices, noGPU := graphics(&out)
	place, err := library.Find(s.library)
	if err != nil {
		return append(out, Finding{"runtime", Bad, "ONNX Runtime is not found", "run: plexus runtime fetch"})
	}
	rt, err := ort.OpenFound(s.library, ort.RuntimeOptions{})
	if err != nil {
		return append(out, Finding{"runtime", Bad, err.Error(), "run: plexus runtime fetch"})
	}
	defer rt.Close()
	out = append(out, Finding{Check: "runtime", State: Good, Says: fmt.Sprintf("ONNX Runtime %s, %s (%s)", rt.Version(), place.Path, place.Source)})
	for _, kind := range []ort.ProviderKind{ort.CPU, ort.CUDA, ort.TensorRT} {
		p, _, err := rt.Choose(ort.Provider{Kind: kind, Device: ort.AnyDevice}, devices, noGPU)
		if err != nil {
			says, remedy := split(err)
			out = append(out, Finding{"provider " + string(kind), Notice, says, remedy})
			continue
		}
		out = append(out, Finding{Check: "provider " + string(kind), State: Good, Says: p.String() + " works"})
	}
	return out
}

// split parts an error of the form "what; what to do" at its last semicolon.
func split(err error) (says, remedy string) {
	text := err.Error()
	if at := strings.LastIndex(text, "; "); at >= 0 {
		return text[:at], text[at+2:]
	}
	return text, ""
}

func graphics(out *[]Finding) ([]gpu.Device, error) {
	board, err := gpu.Open(nil)
	if err != nil {
		*out = append(*out, Finding{"gpu", Notice, err.Error(), "models run on the CPU; for a GPU, install the NVIDIA driver"})
		return nil, err
	}
	defer board.Close()
	devices, err := board.Devices()
	if err != nil {
		*out = append(*out, Finding{"gpu", Notice, err.Error(), "run nvidia-smi to see why"})
		return nil, err
	}
	for _, d := range devices {
		*out = append(*out, Finding{Check: fmt.Sprintf("gpu %d", d.Index), State: Good,
			Says: fmt.Sprintf("%s, %d of %d MiB free, driver %s", d.Name, d.MemoryFree>>20, d.MemoryTotal>>20, board.Driver())})
	}
	return devices, nil
}

func memory() string {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "memory unknown"
	}
	for line := range strings.Lines(string(data)) {
		var kib int
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			return fmt.Sprintf("%d MiB of memory available", kib>>10)
		}
	}
	return "memory unknown"
}

// port tries to listen.
func port(address string) Finding {
	check := "port " + address
	lis, err := net.Listen("tcp", address)
	if err != nil {
		return Finding{check, Bad, err.Error(), "stop what uses it (a miner that runs already is fine), or choose another with --listen"}
	}
	lis.Close()
	return Finding{Check: check, State: Good, Says: "free"}
}

// chain looks at the node, the key and the registration.
func (s *settings) chain(cmd *cobra.Command) []Finding {
	log, err := chainflags.Logger(cmd)
	if err != nil {
		return []Finding{{"chain", Bad, err.Error(), "see --help"}}
	}
	node, err := chainflags.Dial(cmd)
	if err != nil {
		return []Finding{{"chain", Bad, err.Error(), "name a node with --node HOST:PORT"}}
	}
	defer node.Close()
	chain := onchain.New(onchain.Nodes{Free: node}, onchain.Keys{}, log)
	ctx, cancel := context.WithTimeout(cmd.Context(), s.timeout)
	defer cancel()
	netuid := max(1, s.netuid)
	var out []Finding
	if rules, err := chain.Rules(ctx, netuid); err != nil {
		out = append(out, Finding{"chain", Bad, fmt.Sprintf("subnet %d at %s: %v", netuid, node.Address(), err), "start a node (plexus start), or name one with --node HOST:PORT; list subnets with: plexus query subnet"})
	} else {
		out = append(out, Finding{Check: "chain", State: Good, Says: fmt.Sprintf("%s answers; subnet %d is %q, a uid costs %d nplx", node.Address(), netuid, rules.Name, rules.RegistrationPrice)})
	}
	if s.hotkey == "" {
		return append(out, Finding{"key", Skipped, "no --hotkey given", ""})
	}
	key, err := chainflags.Signer(cmd, s.hotkey)
	if err != nil {
		return append(out, Finding{"key", Bad, err.Error(), "make it: plexus keys add " + s.hotkey})
	}
	out = append(out, Finding{Check: "key", State: Good, Says: s.hotkey + " is " + key.Address()})
	if s.netuid == 0 {
		return append(out, Finding{"registration", Skipped, "no --netuid given", ""})
	}
	standing, err := chain.Standing(ctx, s.netuid, key.Address())
	if err != nil {
		return append(out, Finding{"registration", Bad, err.Error(), fmt.Sprintf("register: plexus miner start --netuid %d --hotkey %s --coldkey NAME --max-burn AMOUNT", s.netuid, s.hotkey)})
	}
	return append(out, Finding{Check: "registration", State: Good, Says: fmt.Sprintf("uid %d in subnet %d, announced at %s", standing.UID, s.netuid, standing.Endpoint.Address())})
}

func write(cmd *cobra.Command, output string, findings []Finding) error {
	if output == "json" {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(findings)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.State, f.Check, f.Says)
		if f.Remedy != "" {
			fmt.Fprintf(w, "\t\t-> %s\n", f.Remedy)
		}
	}
	return w.Flush()
}
