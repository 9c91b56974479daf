//go:build dishonest

package dishonest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	chainnetwork "github.com/plexusnet/plexus/chain/network"
)

// binary is what the honest run.
var binary string

// planVariable names the file that tells a process of this binary what to be.
const planVariable = "PLEXUS_DISHONEST_PLAN"

func TestMain(m *testing.M) {
	chainnetwork.ConfigureAddresses()
	if path := os.Getenv(planVariable); path != "" {
		if err := play(path); err != nil {
			fmt.Fprintln(os.Stderr, "Error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if binary = os.Getenv("PLEXUS_BINARY"); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "plexus-dishonest-")
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
