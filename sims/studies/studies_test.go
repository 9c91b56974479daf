package studies_test

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/sims/studies"
)

var update = flag.Bool("update", false, "write the figures and tables of docs/studies.md again")

const (
	page    = "../../docs/studies.md"
	figures = "../../docs/studies"
)

// TestPageIsWhatTheCodeComputes works all studies out and compares every table and every figure.
func TestPageIsWhatTheCodeComputes(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("agents think in floats, which other processors fuse: the figures kept are amd64's")
	}
	committed, err := os.ReadFile(page)
	require.NoError(t, err)
	computed := committed
	drawn := map[string]bool{}
	for _, name := range studies.Names() {
		study, err := studies.Compute(t.Context(), name)
		require.NoError(t, err)
		computed, err = study.Into(computed)
		require.NoError(t, err)
		require.NotEmpty(t, study.Claims)
		for _, claim := range study.Claims {
			require.True(t, claim.Holds, "%s: the page says that %s", name, claim.Says)
		}
		require.NotEmpty(t, study.Figures)
		for _, f := range study.Figures {
			file := f.Name + ".svg"
			drawn[file] = true
			content, err := f.SVG()
			require.NoError(t, err)
			require.Contains(t, string(computed), "(studies/"+file+")", "the page shows it")
			if *update {
				require.NoError(t, os.MkdirAll(figures, 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(figures, file), content, 0o644))
			}
			kept, err := os.ReadFile(filepath.Join(figures, file))
			require.NoError(t, err)
			require.True(t, string(kept) == string(content), "docs/studies/%s differs from what the code draws: make docs", file)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(page, computed, 0o644))
		committed = computed
	}
	require.Equal(t, string(committed), string(computed), "docs/studies.md differs from what the code computes: make docs")
	entries, err := os.ReadDir(figures)
	require.NoError(t, err)
	for _, e := range entries {
		require.True(t, drawn[e.Name()], "docs/studies/%s belongs to no study", e.Name())
	}
}

func TestMarksAndNames(t *testing.T) {
	_, err := studies.Compute(t.Context(), "study-nothing")
	require.ErrorIs(t, err, studies.ErrUnknown)
	study := &studies.Study{Name: "x", Tables: "| new |\n"}
	out, err := study.Into([]byte("a\n<!-- computed: x -->\nold\n<!-- end: x -->\nb\n"))
	require.NoError(t, err)
	require.Equal(t, "a\n<!-- computed: x -->\n\n| new |\n\n<!-- end: x -->\nb\n", string(out))
	again, err := study.Into(out)
	require.NoError(t, err)
	require.Equal(t, out, again)
	for _, bad := range []string{"", "<!-- computed: x -->\n", strings.ReplaceAll(string(out), "x", "y")} {
		_, err = study.Into([]byte(bad))
		require.ErrorIs(t, err, studies.ErrUnknown)
	}
}
