package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
	"github.com/spf13/cobra"

	"cosmossdk.io/client/v2/autocli"

	"github.com/cosmos/cosmos-sdk/client"
	clientconfig "github.com/cosmos/cosmos-sdk/client/config"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/server"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/plexusnet/plexus/chain/app"
	"github.com/plexusnet/plexus/chain/network"
)

// envPrefix starts the environment variable of every flag.
const envPrefix = "PLEXUS"

// blockTime is the pause between blocks of a new node's configuration. The
// reward is per block, so it is a matter of service, not of consensus.
const blockTime = 12 * time.Second

func defaultHome() string {
	if home := os.Getenv(envPrefix + "_HOME"); home != "" {
		return home
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".plexus"
	}
	return filepath.Join(home, ".plexus")
}

// newRoot returns the whole command line.
func newRoot() (*cobra.Command, error) {
	// Commands of the chain are made from its modules, which an application
	// without a database knows as well as a running one.
	chain, err := app.Describe()
	if err != nil {
		return nil, fmt.Errorf("build the command line: %w", err)
	}
	encoding := chain.Encoding()
	clientCtx := client.Context{}.
		WithCodec(encoding.Codec).
		WithInterfaceRegistry(encoding.Registry).
		WithTxConfig(encoding.TxConfig).
		WithLegacyAmino(encoding.Amino).
		WithInput(os.Stdin).
		WithAccountRetriever(authtypes.AccountRetriever{}).
		WithHomeDir(defaultHome()).
		WithViper(envPrefix)

	root := &cobra.Command{
		Use:           "plexus",
		Short:         "A network in which AI models earn by being good",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if !ofChain(cmd) {
				return applySettings(cmd)
			}
			return prepareChainCommand(cmd, clientCtx)
		},
	}
	root.SetGlobalNormalizationFunc(alias)
	root.AddGroup(&cobra.Group{ID: ownGroup, Title: "Models, and those who serve, score and call them:"})
	root.AddGroup(&cobra.Group{ID: chainGroup, Title: "The chain:"})
	addChainCommands(root, chain)
	addOwnCommands(root)

	options := autocli.AppOptions{
		Modules:               chain.Modules(),
		AddressCodec:          encoding.Registry.SigningContext().AddressCodec(),
		ValidatorAddressCodec: encoding.Registry.SigningContext().ValidatorAddressCodec(),
		ConsensusAddressCodec: chain.Staking.ConsensusAddressCodec(),
		ClientCtx:             clientCtx,
	}
	if err := options.EnhanceRootCommand(root); err != nil {
		return nil, fmt.Errorf("build the chain's commands: %w", err)
	}
	return root, nil
}

// prepareChainCommand gives a command of the chain its configuration files,
// client and logger, as the SDK's commands expect them.
func prepareChainCommand(cmd *cobra.Command, clientCtx client.Context) error {
	clientCtx = clientCtx.WithCmdContext(cmd.Context())
	clientCtx, err := client.ReadPersistentCommandFlags(clientCtx, cmd.Flags())
	if err != nil {
		return err
	}
	if clientCtx, err = clientconfig.ReadFromClientConfig(clientCtx); err != nil {
		return err
	}
	if err := client.SetCmdClientContextHandler(clientCtx, cmd); err != nil {
		return err
	}
	return server.InterceptConfigsPreRunHandler(cmd, serverconfig.DefaultConfigTemplate+paceTemplate, nodeConfig(), cometConfig())
}

// nodeSettings is app.toml: the SDK's settings and our own.
type nodeSettings struct {
	serverconfig.Config `mapstructure:",squash"`

	Pace struct {
		BlockTime time.Duration `mapstructure:"block-time"`
	} `mapstructure:"pace"`
}

const (
	// flagBlockTime is the key of app.toml that steers the pace of blocks.
	flagBlockTime = "pace.block-time"

	paceTemplate = `
###############################################################################
###                                  Pace                                   ###
###############################################################################

[pace]

# The distance that this node keeps between blocks: it shortens the pause after
# a block (timeout_commit in config.toml) by what the chain has fallen behind.
# "0s" leaves timeout_commit as it is.
block-time = "{{ .Pace.BlockTime }}"
`
)

// nodeConfig is app.toml of a new node.
func nodeConfig() nodeSettings {
	settings := nodeSettings{Config: *serverconfig.DefaultConfig()}
	settings.MinGasPrices = "0.001" + network.Denom
	settings.API.Enable = true
	settings.GRPC.Enable = true
	settings.StateSync.SnapshotInterval = snapshotInterval
	settings.Telemetry.ServiceName = app.Name
	settings.Pace.BlockTime = blockTime
	return settings
}

// snapshotInterval is how many blocks lie between the states that a new node
// offers to those who join.
const snapshotInterval = 1000

// cometConfig is config.toml of a new node.
func cometConfig() *cmtcfg.Config {
	cfg := cmtcfg.DefaultConfig()
	cfg.Consensus.TimeoutCommit = blockTime
	cfg.RPC.PprofListenAddress = "localhost:6060"
	return cfg
}

// homeOf returns the folder that a command works in.
func homeOf(cmd *cobra.Command) (string, error) {
	return cmd.Flags().GetString(flags.FlagHome)
}
