package membership_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
)

func member(chain *chaintest.Chain) membership.Member {
	return membership.Member{Netuid: 1, Hotkey: "plx1hot", HotkeyName: "miner1", CanRegister: true, MaxBurn: 1e9,
		Chain: chain.As("plx1hot"), Log: slog.New(slog.DiscardHandler)}
}

func TestJoin(t *testing.T) {
	tests := map[string]struct {
		prepare func(*chaintest.Chain, *membership.Member)
		err     error
		says    []string
	}{
		"registers": {func(*chaintest.Chain, *membership.Member) {}, nil, nil},
		"is registered": {func(c *chaintest.Chain, m *membership.Member) {
			c.Add(metagraph.Neuron{Hotkey: "plx1hot"})
			m.CanRegister = false
		}, nil, nil},
		"may not register": {func(_ *chaintest.Chain, m *membership.Member) { m.CanRegister = false }, membership.ErrNotRegistered,
			[]string{"miner1", "plx1hot", "subnet 1", "1 PLX", "--coldkey", "--max-burn", "plexus tx subnet register"}},
		"too dear": {func(_ *chaintest.Chain, m *membership.Member) { m.MaxBurn = 1e9 - 1 }, membership.ErrTooDear,
			[]string{"1 PLX", "0.999999999 PLX", "--max-burn"}},
		"no subnet": {func(_ *chaintest.Chain, m *membership.Member) { m.Netuid = 9 }, membership.ErrNoSubnet,
			[]string{"9", "plexus query subnet"}},
		"refused": {func(c *chaintest.Chain, _ *membership.Member) { c.Refuse(chaintest.ErrRefused) }, chaintest.ErrRefused,
			[]string{"register miner1 in subnet 1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			chain := chaintest.New(1)
			m := member(chain)
			test.prepare(chain, &m)
			standing, err := m.Join(t.Context())
			require.ErrorIs(t, err, test.err)
			for _, word := range test.says {
				require.ErrorContains(t, err, word)
			}
			if test.err == nil {
				require.Zero(t, standing.UID)
				_, ok := chain.Neuron("plx1hot")
				require.True(t, ok)
			}
		})
	}
}

func TestJoinWaitsForTheChain(t *testing.T) {
	chain := chaintest.New(1)
	chain.Down(true)
	m := member(chain)
	joined := make(chan error, 1)
	go func() {
		_, err := m.Join(t.Context())
		joined <- err
	}()
	require.Eventually(t, func() bool { return chain.Calls() > 2 }, 5*time.Second, time.Millisecond)
	chain.Down(false)
	require.NoError(t, <-joined)

	chain.Down(true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.Join(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestCheckNoticesALostUID(t *testing.T) {
	chain := chaintest.New(1)
	m := member(chain)
	_, err := m.Join(t.Context())
	require.NoError(t, err)
	_, err = m.Check(t.Context())
	require.NoError(t, err)
	chain.Replace("plx1hot", "plx1other")
	_, err = m.Check(t.Context())
	require.ErrorIs(t, err, membership.ErrDeregistered)
	require.ErrorContains(t, err, "1 PLX")
	chain.Down(true)
	_, err = m.Check(t.Context())
	require.ErrorIs(t, err, metagraph.ErrUnavailable)
}
