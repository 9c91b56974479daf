package beacon

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

const genesis = 1_700_000_000

// chain is what the commits of a chain wait for.
type chain struct {
	beacon  subnetv1.Beacon
	rounds  []uint64
	brought []uint64
	refuse  error
	down    error
	asked   int
}

func (c *chain) Pulse(context.Context) (*subnetv1.QueryPulseResponse, error) {
	c.asked++
	return &subnetv1.QueryPulseResponse{Beacon: c.beacon, Rounds: c.rounds}, c.down
}

func (c *chain) SubmitPulse(_ context.Context, round uint64, signature []byte) error {
	if c.refuse != nil {
		return c.refuse
	}
	key, err := timelock.ParsePublicKey(c.beacon.PublicKey)
	if err != nil {
		return err
	}
	if err := key.Verify(round, signature); err != nil {
		return err
	}
	c.brought = append(c.brought, round)
	return nil
}

func newChain(key timelock.SecretKey, rounds ...uint64) *chain {
	return &chain{beacon: subnetv1.Beacon{PublicKey: key.Public().Bytes(), GenesisTime: genesis, PeriodSeconds: 3}, rounds: rounds}
}

// at is the clock of a runner, some rounds after the first.
func at(round int64) func() time.Time {
	return func() time.Time { return time.Unix(genesis+3*(round-1), 0) }
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestRunnerBringsWhatIsAwaitedAndOut(t *testing.T) {
	key := timelock.NewSecretKey()
	c := newChain(key, 4, 7, 11, 12)
	r := Runner{Chain: c, Source: Signer{key}, Log: quiet(), Now: at(11)}
	require.NoError(t, r.Step(t.Context()))
	require.Equal(t, []uint64{4, 7, 11}, c.brought, "round 12 is not out: its secret stays one")
}

func TestRunnerLeavesARefusedRoundAlone(t *testing.T) {
	key := timelock.NewSecretKey()
	c := newChain(key, 4)
	now := at(11)()
	r := Runner{Chain: c, Source: Signer{key}, Log: quiet(), Now: func() time.Time { return now }}
	c.refuse = errors.New("somebody was faster")
	require.ErrorContains(t, r.Step(t.Context()), "round 4: somebody was faster")
	c.refuse = nil
	require.NoError(t, r.Step(t.Context()))
	require.Empty(t, c.brought)
	now = now.Add(giveUpFor)
	require.NoError(t, r.Step(t.Context()))
	require.Equal(t, []uint64{4}, c.brought)
}

func TestRunnerEnds(t *testing.T) {
	key := timelock.NewSecretKey()
	t.Run("at the wrong beacon", func(t *testing.T) {
		r := Runner{Chain: newChain(timelock.NewSecretKey()), Source: Signer{key}, Log: quiet()}
		require.ErrorIs(t, r.Run(t.Context()), ErrWrongBeacon)
	})
	t.Run("without a beacon", func(t *testing.T) {
		r := Runner{Chain: &chain{}, Source: Signer{key}, Log: quiet()}
		require.ErrorIs(t, r.Run(t.Context()), ErrNoBeacon)
	})
	t.Run("when told to, though the chain is down", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		c := newChain(key)
		c.down = errors.New("down")
		r := Runner{Chain: c, Source: Signer{key}, Log: quiet(), Interval: time.Millisecond}
		require.NoError(t, r.Run(ctx))
		require.Greater(t, c.asked, 1)
	})
}

// drand answers as drand's HTTP endpoints do, for a key of our own.
type drand struct {
	key    timelock.SecretKey
	scheme string
	round  func(uint64) (uint64, []byte) // what it answers with
}

func (d drand) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/hash/info" {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"public_key": hex.EncodeToString(d.key.Public().Bytes()), "period": 3, "genesis_time": genesis,
			"hash": "00", "groupHash": "00", "schemeID": d.scheme, "metadata": map[string]string{"beaconID": "test"},
		})
		return
	}
	round, err := strconv.ParseUint(strings.TrimPrefix(req.URL.Path, "/hash/public/"), 10, 64)
	if err != nil || round > 100 {
		http.NotFound(w, req)
		return
	}
	number, signature := d.round(round)
	_ = json.NewEncoder(w).Encode(map[string]any{"round": number, "randomness": "00", "signature": hex.EncodeToString(signature)})
}

func serve(t *testing.T, d drand) Relay {
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	return Relay{URL: server.URL + "/hash/", Client: server.Client()}
}

func honest(t *testing.T, key timelock.SecretKey) drand {
	return drand{key: key, scheme: "bls-unchained-g1-rfc9380", round: func(round uint64) (uint64, []byte) {
		signature, err := key.Sign(round)
		require.NoError(t, err)
		return round, signature
	}}
}

func TestRelayBringsRoundsOfDrand(t *testing.T) {
	key := timelock.NewSecretKey()
	c := newChain(key, 4, 5)
	r := Runner{Chain: c, Source: serve(t, honest(t, key)), Log: quiet(), Now: at(11)}
	require.NoError(t, r.Step(t.Context()))
	require.Equal(t, []uint64{4, 5}, c.brought)
}

func TestRelayRefuses(t *testing.T) {
	key := timelock.NewSecretKey()
	for name, tc := range map[string]struct {
		edit func(*drand)
		want error
	}{
		"another scheme":     {func(d *drand) { d.scheme = "pedersen-bls-chained" }, ErrWrongBeacon},
		"another key":        {func(d *drand) { d.key = timelock.NewSecretKey() }, ErrWrongBeacon},
		"another round":      {func(d *drand) { before := d.round; d.round = func(n uint64) (uint64, []byte) { return before(n + 1) } }, ErrSource},
		"a forged signature": {func(d *drand) { d.round = func(n uint64) (uint64, []byte) { return n, make([]byte, 48) } }, ErrSource},
	} {
		t.Run(name, func(t *testing.T) {
			d := honest(t, key)
			tc.edit(&d)
			c := newChain(key, 4)
			r := Runner{Chain: c, Source: serve(t, d), Log: quiet(), Now: at(11)}
			require.ErrorIs(t, r.Step(t.Context()), tc.want)
			require.Empty(t, c.brought)
		})
	}
	t.Run("another schedule", func(t *testing.T) {
		relay := serve(t, honest(t, key))
		err := relay.Check(t.Context(), key.Public().Bytes(), timelock.Schedule{Genesis: genesis, Period: 30})
		require.ErrorIs(t, err, ErrWrongBeacon)
	})
	t.Run("a round that it has not", func(t *testing.T) {
		_, err := serve(t, honest(t, key)).Round(t.Context(), 101)
		require.ErrorIs(t, err, ErrSource)
	})
	t.Run("nobody there", func(t *testing.T) {
		relay := serve(t, honest(t, key))
		relay.Timeout = time.Nanosecond
		_, err := relay.Round(t.Context(), 1)
		require.ErrorIs(t, err, ErrSource)
	})
	t.Run("no URL", func(t *testing.T) {
		_, err := Relay{URL: "://"}.Round(t.Context(), 1)
		require.Error(t, err)
	})
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "beacon.key")
	key, err := CreateKey(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	again, err := LoadKey(path)
	require.NoError(t, err)
	require.Equal(t, key.Public().Bytes(), again.Public().Bytes())

	_, err = CreateKey(path)
	require.ErrorIs(t, err, fs.ErrExist, "a key is never overwritten")

	require.NoError(t, os.Chmod(path, 0o640))
	_, err = LoadKey(path)
	require.ErrorIs(t, err, ErrOpenKey)

	secret := hex.EncodeToString(key.Bytes())
	for name, text := range map[string]string{"empty": "", "not hex": "z" + secret[1:], "short": secret[2:], "zero": strings.Repeat("0", 64)} {
		other := filepath.Join(t.TempDir(), "key")
		require.NoError(t, os.WriteFile(other, []byte(text), 0o600))
		_, err := LoadKey(other)
		require.ErrorIs(t, err, timelock.ErrInvalidKey, name)
		require.NotContains(t, err.Error(), secret[1:], "an error must not show the key")
	}
	_, err = LoadKey(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}
