package validator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/quantize"
	"github.com/plexusnet/plexus/validator/replay"
)

// TestReplayPaysForThePinnedModelOnly: real miners serve a pinned model, and every cheaper version of it.
func TestReplayPaysForThePinnedModelOnly(t *testing.T) {
	model := minertest.Dense(t, 3)
	pinned, err := replay.New(t.Context(), orttest.Open(t), model, replay.Options{Cache: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pinned.Close()) })

	chain := chaintest.New(1)
	serve := func(file []byte) {
		server := minertest.Serve(t, miner.ServerConfig{DrainTimeout: time.Second}, map[string][]byte{"pinned": file})
		chain.Add(metagraph.Neuron{Hotkey: server.Address, Endpoint: server.Endpoint("pinned")})
	}
	serve(model)
	serve(model)
	for _, scheme := range quantize.Schemes() {
		cheap, _, err := quantize.Apply(model, scheme)
		require.NoError(t, err)
		serve(cheap)
	}
	var v *Validator
	text, stop := start(t, chain, func(made *Validator) {
		made.Mechanism, made.Options.Challenges, v = pinned, max(32, pinned.Calibration().Challenges), made
	})
	require.Eventually(t, func() bool {
		chain.Mine(1)
		w := weights(chain)
		return w[0] > 0 && w[1] > 0 && text.count("msg=round ") > 3
	}, soon, 20*time.Millisecond)
	require.NoError(t, stop())

	paid := weights(chain)
	seen, ok := v.Health()
	require.True(t, ok)
	for uid, m := range seen.Miners[:2] {
		require.Empty(t, m.Flags, "uid %d: all honest miners answer alike, and that is no copy", uid)
		require.Greater(t, m.Skill, 0.5)
	}
	for i, scheme := range quantize.Schemes() {
		uid := uint16(2 + i)
		t.Logf("uid %d, %s: weight %d, %v", uid, scheme, paid[uid], seen.Miners[uid].Flags)
		require.Zero(t, paid[uid], scheme)
		require.Zero(t, seen.Miners[uid].Skill, scheme)
		require.Len(t, seen.Miners[uid].Flags, 1)
		require.Contains(t, seen.Miners[uid].Flags[0], "dishonest, until ", scheme)
		require.Contains(t, seen.Miners[uid].Flags[0], replay.ErrMismatch.Error(), scheme)
	}
}
