// Package nodeconfig is what a node of the chain reads at its start beside its
// keys and its genesis: app.toml, the settings of the SDK's server and our own
// section [pace], and the defaults of config.toml, the consensus engine's.
//
// `plexus init` and `plexus start` write the defaults into a new home;
// chain/localnet/files writes them for networks:
//
//	settings := nodeconfig.Default()
//	settings.Pace.BlockTime = 2 * time.Second
//	err := nodeconfig.WriteApp(filepath.Join(home, "config", "app.toml"), settings)
package nodeconfig

import (
	"bytes"
	"fmt"
	"os"
	"text/template"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"

	serverconfig "github.com/cosmos/cosmos-sdk/server/config"

	"github.com/plexusnet/plexus/chain/network"
)

const (
	// BlockTime is the distance between blocks of a new node's configuration.
	// The reward is per block, so it is a matter of service, not of consensus.
	BlockTime = 12 * time.Second
	// SnapshotInterval is how many blocks lie between the states that a new
	// node offers to those who join.
	SnapshotInterval = 1000
	// MinGasPrice is what a new node asks for a unit of gas, in nplx.
	MinGasPrice = "0.001"

	// KeyBlockTime is the key of app.toml that steers the pace of blocks.
	KeyBlockTime = "pace.block-time"
	// KeyTelemetry is the key of app.toml that turns metrics on.
	KeyTelemetry = "telemetry.enabled"

	serviceName = "plexus"
	// metricsRetention is how many seconds a metric that does not change any
	// more is still shown once telemetry is enabled.
	metricsRetention = 600
)

// AppTemplate is app.toml, to be filled with Settings.
const AppTemplate = serverconfig.DefaultConfigTemplate + `
###############################################################################
###                                  Pace                                   ###
###############################################################################

[pace]

# The distance that this node keeps between blocks: it shortens the pause after
# a block (timeout_commit in config.toml) by what the chain has fallen behind.
# "0s" leaves timeout_commit as it is.
block-time = "{{ .Pace.BlockTime }}"
`

// Settings is app.toml: the SDK's settings and our own.
type Settings struct {
	serverconfig.Config `mapstructure:",squash"`

	Pace Pace `mapstructure:"pace"`
}

// Pace is the section [pace].
type Pace struct {
	BlockTime time.Duration `mapstructure:"block-time"` // 0: unpaced
}

// Default is app.toml of a new node.
func Default() Settings {
	s := Settings{Config: *serverconfig.DefaultConfig(), Pace: Pace{BlockTime: BlockTime}}
	s.MinGasPrices = MinGasPrice + network.Denom
	s.API.Enable = true
	s.GRPC.Enable = true
	s.StateSync.SnapshotInterval = SnapshotInterval
	//lint:ignore SA1019 it is what the SDK's server reads to offer metrics on the REST port
	telemetry := &s.Telemetry
	telemetry.ServiceName, telemetry.PrometheusRetentionTime = serviceName, metricsRetention
	return s
}

// DefaultComet is config.toml of a new node.
func DefaultComet() *cmtcfg.Config {
	cfg := cmtcfg.DefaultConfig()
	cfg.Consensus.TimeoutCommit = BlockTime
	cfg.RPC.PprofListenAddress = "localhost:6060"
	return cfg
}

// WriteApp writes s as the app.toml at path.
func WriteApp(path string, s Settings) error {
	if s.Pace.BlockTime < 0 {
		return fmt.Errorf("%s: [pace] block-time %s: want 0s or more", path, s.Pace.BlockTime)
	}
	if err := s.ValidateBasic(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	form, err := template.New("app.toml").Parse(AppTemplate)
	if err != nil {
		return fmt.Errorf("template of app.toml: %w", err)
	}
	var text bytes.Buffer
	if err := form.Execute(&text, s); err != nil {
		return fmt.Errorf("template of app.toml: %w", err)
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
}
