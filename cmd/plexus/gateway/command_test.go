package gatewaycmd

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/gateway/keys"
	"github.com/plexusnet/plexus/gateway/ledger"
	"github.com/plexusnet/plexus/gateway/openai"
)

// plexus runs a command in a home folder and returns what it prints.
func plexus(t *testing.T, home string, args ...string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "plexus", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().String("home", home, "")
	root.AddCommand(Command())
	var out, errors bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errors)
	root.SetArgs(append([]string{"gateway"}, args...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestKeysFromTheCommandLine(t *testing.T) {
	home := t.TempDir()
	out, err := plexus(t, home, "keys", "list")
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(out, "\n"), "no keys yet")
	out, err = plexus(t, home, "keys", "create", "web", "--subnets", "1,2", "--models", "assistant", "--budget-day", "0.5plx", "--budget-total", "10plx", "--rate", "2.5", "--burst", "4", "--expires", "24h")
	require.NoError(t, err)
	secret := strings.TrimSpace(out)
	file := keys.Open(filepath.Join(home, "data", "gateway-keys.json"), keys.Options{})
	key, err := file.Authenticate(secret, time.Now())
	require.NoError(t, err)
	require.Equal(t, []uint32{1, 2}, key.Subnets)
	require.Equal(t, uint64(5e8), key.BudgetDay)
	require.WithinDuration(t, time.Now().Add(24*time.Hour), key.Expires, time.Minute)

	book, err := ledger.Open(filepath.Join(home, "data", "gateway-ledger"), ledger.Options{})
	require.NoError(t, err)
	defer book.Close()
	hold, err := book.Begin(ledger.Account{KeyID: key.ID, Key: key.Name}, 0, 100)
	require.NoError(t, err)
	require.NoError(t, hold.Settle(ledger.Entry{Netuid: 1, Charged: 70, Status: "OK"}))

	out, err = plexus(t, home, "keys", "list", "--output", "json")
	require.NoError(t, err)
	require.NotContains(t, out, secret)
	require.NotContains(t, out, key.Hash)
	var list []shownKey
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Equal(t, uint64(70), list[0].Spent.Total, "also while a gateway has the ledger open")
	require.Equal(t, "active", list[0].State)
	out, err = plexus(t, home, "keys", "revoke", "web")
	require.NoError(t, err)
	require.Contains(t, out, "taken back")
	out, err = plexus(t, home, "keys", "list")
	require.NoError(t, err)
	require.Regexp(t, `web\s+\w+\s+revoked\s+\S+\s+1 2\s+assistant\s+0.5 PLX\s+10 PLX\s+2.5/s`, out)

	out, err = plexus(t, home, "ledger", "export", "--key", "web")
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 2)
	path := filepath.Join(home, "export.json")
	_, err = plexus(t, home, "ledger", "export", "--output", "json", "--since", "1h", "--out", path)
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var entries []ledger.Entry
	require.NoError(t, json.Unmarshal(data, &entries))
	require.Equal(t, uint64(70), entries[0].Charged)
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	home := t.TempDir()
	free := []string{"start", "--netuid", "1", "--listen", "127.0.0.1:0", "--metrics", ""}
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"no subnet":           {[]string{"start"}, `"netuid" not set`},
		"subnet 0":            {[]string{"start", "--netuid", "0"}, "1 or more"},
		"a model of nothing":  {append(free, "--model", "a"), "want NAME=NETUID"},
		"a model of words":    {append(free, "--model", "a=b"), `"b" is no number`},
		"subnet not offered":  {append(free, "--model", "a=2", "--open"), "subnet 2 is not offered"},
		"reserved name":       {append(free, "--model", "subnet-9=1", "--open"), "no name that begins with subnet-"},
		"labels without":      {append(free, "--labels", "a"), "want MODEL=VALUE"},
		"flag no label":       {append(free, "--labels", "a=x|y", "--flagged", "a=z", "--open"), `flags "z"`},
		"half of TLS":         {append(free, "--tls-cert", "x.pem"), "both --tls-cert and --tls-key"},
		"open to the world":   {[]string{"start", "--netuid", "1", "--listen", "0.0.0.0:0", "--open", "--metrics", ""}, "--open is for 127.0.0.1 only"},
		"plain to the world":  {[]string{"start", "--netuid", "1", "--listen", "0.0.0.0:0", "--metrics", ""}, "--tls-cert and --tls-key"},
		"metrics to all":      {[]string{"start", "--netuid", "1", "--listen", "127.0.0.1:0", "--metrics", "0.0.0.0:0"}, "listen on 127.0.0.1"},
		"hedge":               {append(free, "--hedge", "soon"), "want a duration"},
		"pay":                 {append(free, "--pay", "never"), "want asked or always"},
		"no time":             {append(free, "--request-timeout", "0s"), "want more than 0"},
		"no room":             {append(free, "--queue", "0"), "want 1 or more"},
		"payer without a key": {append(free, "--payer", "nobody", "--keyring-backend", "test"), "nobody"},
		"key name":            {[]string{"keys", "create", "a b"}, "letters, digits"},
		"key budget":          {[]string{"keys", "create", "a", "--budget-day", "much"}, "--budget-day"},
		"key expiry":          {[]string{"keys", "create", "a", "--expires", "tomorrow"}, "want a time"},
		"revoke nobody":       {[]string{"keys", "revoke", "a"}, "plexus gateway keys list"},
		"no ledger":           {[]string{"ledger", "export", "--ledger", filepath.Join(home, "none")}, "no ledger"},
		"export format":       {[]string{"ledger", "export", "--output", "xml"}, "want one of"},
	} {
		_, err := plexus(t, home, test.args...)
		require.ErrorContains(t, err, test.says, name)
	}
}

func TestTextFlags(t *testing.T) {
	got, err := textFlags{embedding: []string{"a=vectors"}, labels: []string{"a=x|y", "b=1|2"}, flagged: []string{"b=2"}}.settings()
	require.NoError(t, err)
	require.Equal(t, map[string]openai.Settings{"a": {Embedding: "vectors", Labels: []string{"x", "y"}}, "b": {Labels: []string{"1", "2"}, Flagged: []string{"2"}}}, got)
	named, err := aliases([]string{"assistant=2+1", "digits=1"})
	require.NoError(t, err)
	require.Equal(t, map[string][]uint32{"assistant": {2, 1}, "digits": {1}}, named)
	after, err := hedge("p95")
	require.NoError(t, err)
	require.Equal(t, client.HedgeP95, after)
}
