package nodeconfig

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/viper"
	"github.com/stretchr/testify/require"
)

func read(t *testing.T, path string) Settings {
	t.Helper()
	v := viper.New()
	v.SetConfigFile(path)
	require.NoError(t, v.ReadInConfig())
	var s Settings
	require.NoError(t, v.Unmarshal(&s))
	return s
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.toml")
	want := Default()
	want.Pace.BlockTime = 1500 * time.Millisecond
	want.StateSync.SnapshotInterval = 20
	require.NoError(t, WriteApp(path, want))
	got := read(t, path)
	require.Equal(t, want.Pace, got.Pace)
	require.Equal(t, want.MinGasPrices, got.MinGasPrices)
	require.Equal(t, want.StateSync, got.StateSync)
	//lint:ignore SA1019 as in Default
	require.Equal(t, want.Telemetry, got.Telemetry)
	require.True(t, got.API.Enable)
}

func TestSettingsThatCannotWorkAreNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.toml")
	bad := Default()
	bad.Pace.BlockTime = -time.Second
	require.ErrorContains(t, WriteApp(path, bad), "block-time -1s")
	bad = Default()
	bad.MinGasPrices = ""
	require.Error(t, WriteApp(path, bad))
	require.NoFileExists(t, path)
}

func TestANewNodeMakesABlockEveryTwelveSeconds(t *testing.T) {
	require.Equal(t, 12*time.Second, Default().Pace.BlockTime)
	require.Equal(t, 12*time.Second, DefaultComet().Consensus.TimeoutCommit)
	require.NoError(t, DefaultComet().ValidateBasic())
}
