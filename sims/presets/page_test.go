package presets_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/sims/presets"
)

var update = flag.Bool("update", false, "write docs/presets.md again")

const page = "../../docs/presets.md"

func TestPageIsWhatTheCodeComputes(t *testing.T) {
	checks, err := presets.Checks(context.Background())
	require.NoError(t, err)
	var written bytes.Buffer
	require.NoError(t, presets.WritePage(&written, checks))
	if *update {
		require.NoError(t, os.WriteFile(page, written.Bytes(), 0o644))
	}
	committed, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, string(committed), written.String(), "write it again: go test ./sims/presets -run Page -update")
}
