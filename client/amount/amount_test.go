package amount_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/client/amount"
)

func TestParse(t *testing.T) {
	tests := map[string]uint64{
		"1plx": amount.PLX, "1.5plx": 1_500_000_000, "1.5 PLX": 1_500_000_000, "0.000000001plx": 1, "0plx": 0, "2.plx": 2 * amount.PLX,
		"7nplx": 7, "7": 7, " 12 nplx ": 12, "18446744073.709551615plx": 1<<64 - 1, "18446744073709551615": 1<<64 - 1,
	}
	for text, want := range tests {
		got, err := amount.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "plx", ".5plx", "-1plx", "1.0000000001plx", "1.5nplx", "1.5", "1e9", "1btc", "18446744073.709551616plx",
		"18446744074plx", "99999999999999999999", "1,5plx", "0x10", "1_000", "1.-5plx", "1.+5plx"} {
		_, err := amount.Parse(text)
		require.ErrorIs(t, err, amount.ErrAmount, text)
	}
}

func TestFormatIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Uint64().Draw(t, "nplx")
		got, err := amount.Parse(amount.Format(want))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	require.Equal(t, "1.5 PLX", amount.Format(1_500_000_000))
	require.Equal(t, "0 PLX", amount.Format(0))
}
