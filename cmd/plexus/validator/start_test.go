package validatorcmd

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/stretchr/testify/require"

	chainclient "github.com/plexusnet/plexus/chain/client"
)

// newKeyring makes a keyring of three keys and returns its folder.
func newKeyring(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	kr, err := chainclient.OpenKeyring(folder, keyring.BackendTest, nil)
	require.NoError(t, err)
	for _, name := range []string{"hot", "cold", "operator"} {
		_, _, err = kr.NewMnemonic(name, keyring.English, "m/44'/118'/0'/0/0", "", hd.Secp256k1)
		require.NoError(t, err)
	}
	return folder
}

func TestStartRefusesWhatCannotWork(t *testing.T) {
	folder := newKeyring(t)
	tests := map[string]struct {
		args []string
		says []string
	}{
		"no subnet":             {[]string{"--netuid", "0"}, []string{"--netuid"}},
		"a subnet twice":        {[]string{"--netuid", "1,1"}, []string{"--netuid"}},
		"no such mechanism":     {[]string{"--mechanism", "beauty"}, []string{`"beauty"`, "accuracy", "subnet 1"}},
		"no such task":          {[]string{"--task", "1=poetry"}, []string{"--task", "poetry", "digits"}},
		"no such metric":        {[]string{"--metric", "taste"}, []string{"taste", "logloss"}},
		"another's task":        {[]string{"--task", "2=text"}, []string{"--task 2=text", "NETUID=VALUE"}},
		"not a latency":         {[]string{"--latency-target", "soon"}, []string{"--latency-target", "soon"}},
		"deadline and no time":  {[]string{"--latency-target", "2s", "--latency-deadline", "1s"}, []string{"latency"}},
		"not a webhook":         {[]string{"--webhook", "secret"}, []string{"--webhook", "URL"}},
		"a shopper of no chain": {[]string{"--shopper", "cold"}, []string{"--shopper cold", "--chain-id"}},
		"shops for nothing":     {[]string{"--shopped", "0"}, []string{"--shopped"}},
		"no memory":             {[]string{"--max-memory-bytes", "0"}, []string{"--max-memory-bytes"}},
		"an API for all":        {[]string{"--api", "0.0.0.0:0", "--store", filepath.Join(folder, "db1")}, []string{"--api 0.0.0.0:0", "TLS"}},
		"metrics for all":       {[]string{"--api", "", "--metrics", "0.0.0.0:0", "--store", filepath.Join(folder, "db2")}, []string{"--metrics 0.0.0.0:0"}},
		"nowhere to keep":       {nil, []string{"--store"}},
		"no challenges":         {[]string{"--challenges", "0"}, []string{"--challenges"}},
		"no time":               {[]string{"--deadline", "0s"}, []string{"--deadline"}},
		"not a quantile":        {[]string{"--quantile", "1"}, []string{"--quantile 1"}},
		"not a number":          {[]string{"--sharpness", "NaN"}, []string{"--sharpness"}},
		"not finite":            {[]string{"--half-life", "+Inf"}, []string{"--half-life"}},
		"not an amount":         {[]string{"--max-burn", "much"}, []string{"--max-burn", `"much"`}},
		"no such key":           {[]string{"--operator", "nobody"}, []string{`"nobody"`, "plexus keys list"}},
		"two owners of one key": {[]string{"--coldkey", "cold", "--operator", "operator"}, []string{"--coldkey cold", "--operator operator", "different accounts"}},
		"not a node":            {[]string{"--node", "nowhere"}, []string{"nowhere", "host:port"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			cmd := Command()
			cmd.SetArgs(append([]string{"start", "--netuid", "1", "--hotkey", "hot", "--keyring-backend", "test", "--keyring-dir", folder}, test.args...))
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			err := cmd.ExecuteContext(t.Context())
			require.Error(t, err)
			for _, word := range test.says {
				require.ErrorContains(t, err, word)
			}
		})
	}
}
