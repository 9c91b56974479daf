package vectors_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/plexusnet/plexus/consensus/vectors"
)

// FuzzScript: no file makes the runner panic.
func FuzzScript(f *testing.F) {
	for _, name := range []string{"test_outdated_weights.json", "test_validator_permits.json"} {
		data, err := os.ReadFile(filepath.Join(testdata, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"params":{"n":2,"stakes":[1,2]},"steps":[{"op":"set_param","liquid_alpha":true},{"op":"epoch"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		script, err := vectors.Parse(bytes.NewReader(data))
		if err != nil || script.Params.N > 1000 || len(script.Steps) > 100 || len(script.Cases) > 100 {
			return
		}
		_, _ = script.Run()
	})
}
