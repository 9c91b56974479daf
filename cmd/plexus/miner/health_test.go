package minercmd

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/validator/health"
)

// fleet is what a validator publishes.
type fleet []health.Subnet

func (f fleet) Netuids() []uint32 {
	var netuids []uint32
	for _, s := range f {
		netuids = append(netuids, s.Netuid)
	}
	return netuids
}

func (f fleet) Subnet(netuid uint32) (health.Subnet, bool) {
	for _, s := range f {
		if s.Netuid == netuid {
			return s, true
		}
	}
	return health.Subnet{}, false
}

// observed is a miner after two rounds, of which it answered the first in that many milliseconds.
func observed(uid uint16, hotkey string, ms uint32, flags ...string) health.Miner {
	var w health.Window
	w.Add(health.Round{At: 1, Asked: 4, Answered: 4, Score: 1, Micros: []uint32{1000 * ms}}, 10)
	w.Add(health.Round{At: 2, Asked: 4, Failures: map[string]int{"unavailable": 4}}, 10)
	m := w.Summary()
	m.UID, m.Hotkey, m.Model, m.Accuracy, m.Skill, m.Flags = uid, hotkey, "digits", 0.5, 0.25, append(m.Flags, flags...)
	return m
}

func publish(hotkey string, miners ...health.Miner) http.Handler {
	return health.Handler(fleet{{Netuid: 1, Hotkey: hotkey, Height: 40, Round: 9, At: time.Now().Unix(), Miners: miners}})
}

func serveHealth(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func runHealth(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := Command()
	cmd.SetArgs(append([]string{"health", "--netuid", "1"}, args...))
	cmd.SetOut(&out)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.Execute()
	return out.String(), err
}

func TestHealthSumsUpWhatValidatorsPublish(t *testing.T) {
	first := serveHealth(t, publish("plx1first", observed(3, "plx1miner", 10), observed(4, "plx1other", 2, "copy of uid 3")))
	second := serveHealth(t, publish("plx1second", observed(3, "plx1miner", 30, "unlike itself: latency"), observed(4, "plx1other", 2, "copy of uid 3")))
	elsewhere := serveHealth(t, health.Handler(fleet{{Netuid: 2}}))
	dead := "http://" + freePort(t)
	from := []string{"--validator", first, "--validator", second + "/", "--validator", elsewhere + "," + dead, "--validator", second}

	out, err := runHealth(append(from, "-o", "json")...)
	require.NoError(t, err)
	var found findings
	require.NoError(t, json.Unmarshal([]byte(out), &found))
	require.Len(t, found.Validators, 4, "whom it is told of twice, it asks once")
	require.Equal(t, "plx1second", found.Validators[1].Hotkey)
	require.Contains(t, found.Validators[2].Error, "this validator has nothing on subnet 1")
	require.Contains(t, found.Validators[3].Error, "connection refused")
	require.Len(t, found.Miners, 2)
	m := found.Miners[0]
	require.Equal(t, health.Spread{Median: 0.5, Min: 0.5, Max: 0.5}, m.Uptime)
	require.Equal(t, health.Spread{Median: 20, Min: 10, Max: 30}, m.Latency.P50)
	require.Equal(t, map[string]int{"unavailable": 8}, m.Failures)
	require.Equal(t, map[string]int{"unlike itself": 1}, m.Flags)
	require.Equal(t, map[string]int{"copy of uid 3": 2}, found.Miners[1].Flags)
	require.Equal(t, observed(3, "plx1miner", 10), m.Opinions[0].Miner, "with the scores of its rounds")

	out, err = runHealth(from...)
	require.NoError(t, err)
	require.Regexp(t, `(?m)^3 +plx1miner +digits +2/2 +50\.0% +20\.0 \(10\.0 to 30\.0\) .* 0\.500 +0\.250 +unavailable x8 +unlike itself x1$`, out)
	require.Contains(t, out, first+": plx1first, round 9 at block 40, ")
	require.Contains(t, out, dead+": dial tcp")
	require.NotContains(t, out, "VALIDATOR")
}

func TestHealthOfOneMiner(t *testing.T) {
	network.ConfigureAddresses()
	ring := keys(t)
	kr, err := chainclient.OpenKeyring(ring[3], keyring.BackendTest, strings.NewReader(""))
	require.NoError(t, err)
	signer, err := chainclient.NewSigner(kr, "hot")
	require.NoError(t, err)
	mine := signer.Address()
	first := serveHealth(t, publish("plx1first", observed(3, mine, 10, "dishonest, until 2030: far off"), observed(4, "plx1other", 2)))
	second := serveHealth(t, publish("plx1second", observed(4, "plx1other", 5)))
	from := []string{"--validator", first, "--validator", second}

	for name, args := range map[string][]string{
		"by the key's name": append([]string{"--hotkey", "hot"}, ring...),
		"by address":        {"--hotkey", mine},
		"by uid":            {"--uid", "3", "--hotkey", "nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := runHealth(append(args, from...)...)
			require.NoError(t, err)
			require.Contains(t, out, "1/2", "the second has not asked it yet")
			require.Regexp(t, `(?m)^plx1first +2 +8 +4 +50\.0% +10\.0 +10\.0 +10\.0 +0\.500 +0\.250 +unavailable x4 +dishonest, until 2030: far off$`, out)
			require.NotContains(t, out, "plx1other")
		})
	}
	_, err = runHealth(append(from, "--uid", "9")...)
	require.ErrorContains(t, err, "no validator that answers knows uid 9 of subnet 1")
	require.ErrorContains(t, err, second)
	_, err = runHealth(append(append(from, "--hotkey", "cold"), ring...)...)
	require.ErrorContains(t, err, "plexus keys list")
}

// A validator's words reach the terminal as words, and it counts once however often it is named.
func TestHealthTrustsNoValidator(t *testing.T) {
	evil := observed(3, "plx1\x1b[2Jminer", 10, "\u009b31m"+strings.Repeat("long ", 100))
	evil.Failures = map[string]int{"\x1b]0;title\a": 1}
	handler := publish("plx1\x07v", evil)
	out, err := runHealth("--validator", serveHealth(t, handler), "--validator", serveHealth(t, handler), "--uid", "3")
	require.NoError(t, err)
	require.NotContains(t, out, "\x1b")
	require.NotContains(t, out, "\x07")
	require.NotContains(t, out, "\u009b")
	require.Contains(t, out, "the same validator as ")
	require.Contains(t, out, "1/1")
	for line := range strings.Lines(out) {
		require.Less(t, len(line), 400)
	}
}

func TestHealthOverTLS(t *testing.T) {
	server := httptest.NewTLSServer(publish("plx1first", observed(3, "plx1miner", 10)))
	defer server.Close()
	_, err := runHealth("--validator", server.URL)
	require.ErrorContains(t, err, "certificate")

	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	out, err := runHealth("--validator", server.URL, "--ca-cert", ca)
	require.NoError(t, err)
	require.Contains(t, out, "plx1miner")
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	good := serveHealth(t, publish("plx1first", observed(3, "plx1miner", 10)))
	elsewhere := serveHealth(t, http.RedirectHandler(good+"/v1/subnets/1/miners", http.StatusFound))
	slow := serveHealth(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }))
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(noPEM, []byte("none"), 0o600))
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"nobody answers":          {[]string{"--validator", "http://" + freePort(t)}, []string{"no validator answers", "--validator", "refused"}},
		"too slow":                {[]string{"--validator", slow, "--timeout", "50ms"}, []string{slow, "exceeded"}},
		"too large":               {[]string{"--validator", good, "--max-bytes", "20"}, []string{"more than 20 bytes"}},
		"sent elsewhere":          {[]string{"--validator", elsewhere}, []string{"302"}},
		"no URL":                  {[]string{"--validator", "127.0.0.1:9600"}, []string{`--validator "127.0.0.1:9600"`, defaultAPI}},
		"no web URL":              {[]string{"--validator", "ftp://example.org"}, []string{"https://"}},
		"a password":              {[]string{"--validator", "https://me:secret@example.org"}, []string{"without user"}},
		"plaintext to a stranger": {[]string{"--validator", "http://192.0.2.1:9600"}, []string{"without TLS", "--insecure"}},
		"no subnet":               {[]string{"--netuid", "0"}, []string{"--netuid"}},
		"no format":               {[]string{"-o", "xml"}, []string{"table or json"}},
		"no time":                 {[]string{"--timeout", "0s"}, []string{"--timeout"}},
		"no validators":           {[]string{"--validator", ""}, []string{"--validator"}},
		"no authorities":          {[]string{"--ca-cert", noPEM}, []string{"--ca-cert", "PEM"}},
		"no such authorities":     {[]string{"--ca-cert", noPEM + "x"}, []string{"--ca-cert", noPEM + "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := runHealth(c.args...)
			for _, says := range c.says {
				require.ErrorContains(t, err, says)
			}
			require.NotContains(t, err.Error(), "secret")
			require.Empty(t, out)
		})
	}
}

func TestPlaintextToOtherMachinesIsAllowedWhenAskedFor(t *testing.T) {
	s := healthSettings{insecure: true}
	require.NoError(t, s.checkURL("http://192.0.2.1:9600"))
	s.insecure = false
	for _, raw := range []string{"http://127.0.0.1:9600", "http://localhost:9600", "http://[::1]:9600", "https://192.0.2.1"} {
		require.NoError(t, s.checkURL(raw), raw)
	}
	require.Error(t, s.checkURL("http://localhost.example.org"))
}
