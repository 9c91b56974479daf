package paid

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	chainnetwork "github.com/plexusnet/plexus/chain/network"
)

// binary is what the tests run.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("end-to-end tests are skipped with -short")
		os.Exit(0)
	}
	chainnetwork.ConfigureAddresses()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if binary = os.Getenv("PLEXUS_BINARY"); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "plexus-paid-")
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
