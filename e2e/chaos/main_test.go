//go:build chaos && linux

package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	chainnetwork "github.com/plexusnet/plexus/chain/network"
)

// binary is what the tests run.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	chainnetwork.ConfigureAddresses()
	if binary = os.Getenv("PLEXUS_BINARY"); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "plexus-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "plexus")
	build := exec.Command("go", "build", "-o", binary, "../../cmd/plexus")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the binary:", err)
		return 1
	}
	return m.Run()
}

// durationOf is a duration from the environment.
func durationOf(t *testing.T, variable string, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("%s=%q: want a duration such as 10m", variable, text)
	}
	return d
}

// seedOf is the seed of what happens by chance.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("PLEXUS_CHAOS_SEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("PLEXUS_CHAOS_SEED=%q: want a number", text)
	}
	return seed
}
