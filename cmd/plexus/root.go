package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"cosmossdk.io/client/v2/autocli"
	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/client"
	clientconfig "github.com/cosmos/cosmos-sdk/client/config"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/server"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/plexusnet/plexus/chain/app"
	"github.com/plexusnet/plexus/chain/nodeconfig"
)

// envPrefix starts the environment variable of every flag.
const envPrefix = "PLEXUS"

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
	root.SetOut(os.Stdout) // what the SDK's commands print is for pipes, too
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
	serverCtx, err := server.InterceptConfigsAndCreateContext(cmd, nodeconfig.AppTemplate, nodeconfig.Default(), nodeconfig.DefaultComet())
	if err != nil {
		return err
	}
	// The SDK would log to standard output, into what `plexus export` prints.
	logger, err := server.CreateSDKLogger(serverCtx, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	serverCtx.Logger = logger.With(log.ModuleKey, "server")
	return server.SetCmdServerContext(cmd, serverCtx)
}

// homeOf returns the folder that a command works in.
func homeOf(cmd *cobra.Command) (string, error) {
	return cmd.Flags().GetString(flags.FlagHome)
}
