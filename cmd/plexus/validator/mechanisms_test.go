package validatorcmd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/models/ort/orttest"
)

// output is what a command writes, readable meanwhile.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func runtimeFlag(t *testing.T) []string {
	t.Helper()
	path, err := orttest.Library()
	if errors.Is(err, library.ErrNpm) || errors.Is(err, library.ErrDownload) || errors.Is(err, library.ErrPlatform) {
		t.Skipf("no ONNX Runtime to test with: %v", err)
	}
	require.NoError(t, err)
	return []string{"--" + library.Flag, path}
}

// node is a node that hangs up on whoever calls, and counts them.
func node(t *testing.T) (address string, calls *atomic.Int32) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	calls = new(atomic.Int32)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() { lis.Close(); <-done })
	return lis.Addr().String(), calls
}

// pinned writes a model and returns its file and its SHA-256.
func pinned(t *testing.T) (path, sum string) {
	t.Helper()
	model := minertest.Dense(t, 2)
	hash := sha256.Sum256(model)
	path = filepath.Join(t.TempDir(), "pinned,1.onnx")
	require.NoError(t, os.WriteFile(path, model, 0o644))
	return path, hex.EncodeToString(hash[:])
}

// forecast builds the example of a mechanism in Go.
func forecast(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "forecast")
	out, err := exec.Command("go", "build", "-o", path, "github.com/plexusnet/plexus/examples/mechanism-go").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

func execute(ctx context.Context, t *testing.T, out *output, ring string, args ...string) error {
	t.Helper()
	cmd := Command()
	cmd.SetArgs(append([]string{"start", "--hotkey", "hot", "--keyring-backend", "test", "--keyring-dir", ring, "--api", "", "--metrics", ""}, args...))
	cmd.SetOut(out)
	cmd.SetErr(out)
	return cmd.ExecuteContext(ctx)
}

// TestEachMechanismStarts runs the command up to where it calls its node.
func TestEachMechanismStarts(t *testing.T) {
	ring, ort := newKeyring(t), runtimeFlag(t)
	model, sum := pinned(t)
	program := forecast(t)
	address := "unix:" + filepath.Join(t.TempDir(), "s")
	running := exec.Command(program)
	running.Env = append(os.Environ(), "PLEXUS_MECHANISM_LISTEN="+address)
	require.NoError(t, running.Start())
	t.Cleanup(func() { running.Process.Kill(); running.Wait() })

	replay := append([]string{"--mechanism", "replay", "--pinned-model", model, "--pinned-sha256", strings.ToUpper(sum)}, ort...)
	tests := map[string]struct {
		args []string
		says []string
	}{
		"accuracy": {[]string{"--netuid", "1", "--mechanism", "accuracy"}, []string{"mechanism=accuracy"}},
		"replay":   {append([]string{"--netuid", "1"}, replay...), []string{"mechanism=replay", "sha256=" + sum}},
		"a program that is started": {[]string{"--netuid", "1", "--mechanism", "external", "--external-command", program, "--external-memory", "268435456"},
			[]string{"mechanism=external"}},
		"a program that runs": {[]string{"--netuid", "1", "--mechanism", "external", "--external-address", address}, []string{"mechanism=external"}},
		"each in a subnet of its own": {append([]string{"--netuid", "1,2,3", "--task", "1=text", "--mechanism", "accuracy,2=replay,3=external",
			"--pinned-model", "2=" + model, "--pinned-sha256", "2=" + sum, "--external-address", "3=" + address}, ort...),
			[]string{"netuid=1 ", "mechanism=accuracy task=text", "netuid=2 ", "mechanism=replay", "netuid=3 ", "mechanism=external"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out, done := &output{}, make(chan error, 1)
			address, calls := node(t)
			kept := t.TempDir()
			go func() {
				done <- execute(ctx, t, out, ring, append(test.args, "--node", address, "--store", filepath.Join(kept, "validator.db"))...)
			}()
			require.Eventually(t, func() bool { return calls.Load() > 0 }, time.Minute, 10*time.Millisecond, "%s", out)
			cancel()
			require.NoError(t, <-done, "told to stop, it stops without an error")
			for _, word := range test.says {
				require.Contains(t, out.String(), word)
			}
			calibrations, err := filepath.Glob(filepath.Join(kept, "calibrations", "*.json"))
			require.NoError(t, err)
			require.Equal(t, strings.Contains(out.String(), "mechanism=replay"), len(calibrations) == 1, "a calibration is kept")
		})
	}
}

// TestBadMechanismsAreRefusedBeforeAnythingIsPaid: with a key that could pay, and a node that is never called.
func TestBadMechanismsAreRefusedBeforeAnythingIsPaid(t *testing.T) {
	ring, ort := newKeyring(t), runtimeFlag(t)
	model, sum := pinned(t)
	other := strings.Repeat("0", 64)
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	replay := func(args ...string) []string {
		return append(append([]string{"--mechanism", "replay", "--pinned-model", model, "--pinned-sha256", sum}, ort...), args...)
	}
	external := func(args ...string) []string { return append([]string{"--mechanism", "external"}, args...) }
	tests := map[string]struct {
		args []string
		says []string
	}{
		"another model than the subnet's": {replay("--pinned-sha256", other),
			[]string{"subnet 1", "--pinned-model " + model, "not the pinned model", sum, other, "get the file from the subnet's owner", "--pinned-sha256"}},
		"another model, of one subnet": {replay("--pinned-sha256", "1="+other), []string{"subnet 1", other, "--pinned-sha256"}},
		"no model":                     {[]string{"--mechanism", "replay"}, []string{"--mechanism replay", "--pinned-model"}},
		"no hash":                      {replay("--pinned-sha256", ""), []string{"--pinned-sha256", "64 hexadecimal digits", "owner"}},
		"half a hash":                  {replay("--pinned-sha256", sum[:32]), []string{"--pinned-sha256", sum[:32]}},
		"no such file":                 {replay("--pinned-model", filepath.Join(folder, "none.onnx")), []string{"--pinned-model", "none.onnx"}},
		"no room for it":               {replay("--memory-limit", "1000"), []string{"--pinned-model", "--memory-limit"}},
		"no runtime":                   {replay("--onnxruntime", filepath.Join(folder, "none.so")), []string{"none.so", "--onnxruntime"}},
		"no such spec":                 {replay("--challenge-spec", filepath.Join(folder, "none.yaml")), []string{"--challenge-spec", "none.yaml"}},
		"a spec that is none":          {replay("--challenge-spec", write("a.yaml", "inputs: {x: {shapes: [1]}}")), []string{"--challenge-spec", "shapes"}},
		"a spec of another model":      {replay("--challenge-spec", write("b.yaml", "inputs: {z: {shape: [1]}}")), []string{"--challenge-spec", `"z"`}},
		"too few challenges":           {replay("--challenges", "1"), []string{"--challenges 1", "or more"}},
		"late before the target":       {replay("--latency-target", "3s"), []string{"target of 3s", "deadline of 2s"}},
		"not a rate":                   {replay("--target-rate", "fast"), []string{"--target-rate", "fast"}},
		"a model for accuracy":         {[]string{"--pinned-model", model}, []string{"--pinned-model", "--mechanism replay"}},
		"a deadline for a program":     {external("--latency-deadline", "1s"), []string{"--latency-deadline", "accuracy and replay"}},
		"no program":                   {external(), []string{"--external-command", "--external-address"}},
		"two programs":                 {external("--external-command", "a", "--external-address", "unix:/b"), []string{"either", "--external-command", "--external-address"}},
		"a program that is not there":  {external("--external-command", filepath.Join(folder, "none")), []string{"--mechanism external", "none"}},
		"a program that is no list":    {external("--external-command", "[a"), []string{"--external-command", "JSON"}},
		"a program that ends":          {external("--external-command", "false", "--external-start-timeout", "200ms"), []string{"--mechanism external"}},
		"nobody at the address":        {external("--external-address", "127.0.0.1:1", "--external-start-timeout", "200ms"), []string{"--mechanism external"}},
		"plaintext to another machine": {external("--external-address", "192.0.2.1:1"), []string{"192.0.2.1:1", "hash"}},
		"not a key hash":               {external("--external-address", "192.0.2.1:1", "--external-key-hash", "key"), []string{"--external-key-hash", `"key"`}},
		"authorities that are none":    {external("--external-address", "192.0.2.1:1", "--external-ca", model), []string{model, "PEM"}},
		"too little memory":            {external("--external-command", "true", "--external-memory", "1"), []string{"memory"}},
		"not a number of bytes":        {external("--external-command", "true", "--external-memory", "much"), []string{"--external-memory", "much"}},
		"messages too small":           {external("--external-command", "true", "--external-message-bytes", "1"), []string{"messages of 1 bytes"}},
		"nobody scored":                {external("--external-command", "true", "--external-parallel", "0"), []string{"--external-parallel"}},
		"no time for a call":           {external("--external-command", "true", "--external-call-timeout", "0s"), []string{"--external-call-timeout"}},
		"the validator's own secret":   {external("--external-command", "true", "--external-env", "PLEXUS_PASS"), []string{"PLEXUS_PASS"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			address, calls := node(t)
			err := execute(t.Context(), t, &output{}, ring, append([]string{"--netuid", "1", "--coldkey", "cold", "--node", address,
				"--store", filepath.Join(t.TempDir(), "validator.db")}, test.args...)...)
			require.Error(t, err)
			for _, word := range test.says {
				require.ErrorContains(t, err, word)
			}
			require.Zero(t, calls.Load(), "nothing was asked of the chain")
		})
	}
}

func TestWords(t *testing.T) {
	tests := map[string]struct {
		command string
		want    []string
	}{
		"nothing":         {"", []string{}},
		"a program":       {"mechanism", []string{"mechanism"}},
		"and arguments":   {"python3  a.py --seed 1", []string{"python3", "a.py", "--seed", "1"}},
		"a list":          {`["python3", "my script.py"]`, []string{"python3", "my script.py"}},
		"commas and text": {"a --of=1,2", []string{"a", "--of=1,2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := words(test.command)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}
