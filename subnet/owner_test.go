package subnet_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/subnet"
)

func TestOwnersChange(t *testing.T) {
	rules := subnet.OwnerRules{RateLimit: 100, Freeze: 10}
	clock := subnet.Clock{LastEpoch: 1000, Tempo: 360} // next at 1360
	from := subnet.DefaultHyperparams()
	own, governed := from, from
	own.WeightsVersion++
	governed.Kappa++
	short := subnet.Clock{LastEpoch: 1000, Tempo: 5}
	for _, c := range []struct {
		name       string
		rules      subnet.OwnerRules
		to         subnet.Hyperparams
		clock      subnet.Clock
		lastChange uint64
		height     uint64
		want       error
	}{
		{"never changed before", rules, own, clock, 0, 1001, nil},
		{"governance's", rules, governed, clock, 0, 1001, subnet.ErrGoverned},
		{"one block too early", rules, own, clock, 1001, 1100, subnet.ErrRateLimited},
		{"in time", rules, own, clock, 1001, 1101, nil},
		{"the last block before the freeze", rules, own, clock, 0, 1350, nil},
		{"the first of the freeze", rules, own, clock, 0, 1351, subnet.ErrFrozen},
		{"the block of the epoch", rules, own, clock, 0, 1360, subnet.ErrFrozen},
		{"an epoch that is late", rules, own, clock, 0, 1365, subnet.ErrFrozen},
		{"without a freeze", subnet.OwnerRules{RateLimit: 1}, own, clock, 0, 1360, nil},
		{"a tempo below the freeze leaves one block", rules, own, short, 0, 1001, nil},
		{"and no other", rules, own, short, 0, 1002, subnet.ErrFrozen},
		{"a tempo of 1 leaves every block", rules, own, subnet.Clock{LastEpoch: 1000, Tempo: 1}, 0, 1001, nil},
		{"heights of nonsense", subnet.OwnerRules{RateLimit: 1 << 63, Freeze: 1 << 63}, own, clock, 1 << 63, 1, subnet.ErrRateLimited},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.ErrorIs(t, c.rules.CheckChange(from, c.to, c.clock, c.lastChange, c.height), c.want)
		})
	}
}

func TestOwnersChangeNamesWhatIsGovernances(t *testing.T) {
	from := subnet.DefaultHyperparams()
	to := from
	to.Tempo, to.MaxUIDs, to.MinNonImmune = 1, 1, 0
	err := subnet.OwnerRules{}.CheckChange(from, to, subnet.Clock{Tempo: 360}, 0, 1)
	require.ErrorContains(t, err, "tempo, max_uids, min_non_immune")
}

func TestLockReturn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lock, paid := rapid.Uint64().Draw(t, "lock"), rapid.Uint64().Draw(t, "paid")
		returned, burned := subnet.LockReturn(lock, paid)
		require.Equal(t, lock, returned+burned)
		require.LessOrEqual(t, burned, lock)
		if paid < lock {
			require.Equal(t, paid, burned)
		}
	})
}

func TestSurplus(t *testing.T) {
	h := subnet.DefaultHyperparams()
	h.ImmunityPeriod = 100
	neurons := []subnet.Standing{
		{Registered: 10, Emission: 5}, {Registered: 950, Emission: 0}, {Registered: 20, Emission: 5},
		{Registered: 30, Emission: 1}, {Registered: 930, Emission: 0}, {Registered: 20, Emission: 5},
	}
	order := []int{3, 0, 2, 5, 4, 1} // past immunity by emission, age, uid; then the immune
	for limit := range len(neurons) + 2 {
		h.MaxUIDs = uint32(limit)
		over := max(len(neurons)-limit, 0)
		require.ElementsMatch(t, order[:over], h.Surplus(neurons, 1000), "max_uids %d", limit)
	}
}

func TestIdentityBounds(t *testing.T) {
	long := func(n int) string { return string(make([]byte, n)) }
	require.True(t, subnet.Identity{}.IsEmpty())
	require.NoError(t, subnet.Identity{Name: "Ünïcode 数字", URL: "http://a", Description: "one line, with spaces"}.Validate())
	for _, i := range []subnet.Identity{
		{}, {URL: "https://a"}, {Name: long(65)}, {Name: "a\x00"}, {Name: "a\xff"}, {Name: "a\nb"}, {Name: "a\u202eb"}, {Name: "a\u200bb"},
		{Name: "a", URL: "ftp://a"}, {Name: "a", Image: "https://a b"}, {Name: "a", Contact: long(129)}, {Name: "a", Description: long(1025)},
	} {
		require.ErrorIs(t, i.Validate(), subnet.ErrInvalidIdentity, "%q", i)
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add("name", "https://a", "text")
	f.Fuzz(func(t *testing.T, name, url, text string) {
		i := subnet.Identity{Name: name, URL: url, Image: url, Description: text, Contact: text}
		if i.Validate() == nil {
			require.LessOrEqual(t, len(name)+2*len(url)+2*len(text), 64+2*256+2*128)
		}
	})
}
