package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

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

// newRoot returns the command line for arguments. Commands of the chain are made from its modules, which costs every
// start half a second and 150 MB; whoever names one of our own commands is spared that.
func newRoot(args []string) (*cobra.Command, error) {
	root := &cobra.Command{
		Use:               "plexus",
		Short:             "A network in which AI models earn by being good",
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return applySettings(cmd) },
	}
	root.SetOut(os.Stdout) // what the SDK's commands print is for pipes, too
	root.SetGlobalNormalizationFunc(alias)
	root.AddGroup(&cobra.Group{ID: ownGroup, Title: "Models, and those who serve, score and call them:"})
	addOwnCommands(root)
	if namesOwn(root, args) {
		return root, nil
	}
	root.AddGroup(&cobra.Group{ID: chainGroup, Title: "The chain:"})
	return root, addChain(root)
}

// namesOwn tells whether the first argument is one of our own commands.
func namesOwn(root *cobra.Command, args []string) bool {
	return len(args) > 0 && slices.ContainsFunc(root.Commands(), func(own *cobra.Command) bool { return own.Name() == args[0] })
}

// addChain adds the commands of the chain. An application without a database
// knows the modules that they are made from as well as a running one.
func addChain(root *cobra.Command) error {
	chain, err := app.Describe()
	if err != nil {
		return fmt.Errorf("build the command line: %w", err)
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
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if !ofChain(cmd) {
			return applySettings(cmd)
		}
		return prepareChainCommand(cmd, clientCtx)
	}
	addChainCommands(root, chain)

	options := autocli.AppOptions{
		Modules:               chain.Modules(),
		AddressCodec:          encoding.Registry.SigningContext().AddressCodec(),
		ValidatorAddressCodec: encoding.Registry.SigningContext().ValidatorAddressCodec(),
		ConsensusAddressCodec: chain.Staking.ConsensusAddressCodec(),
		ClientCtx:             clientCtx,
	}
	if err := options.EnhanceRootCommand(root); err != nil {
		return fmt.Errorf("build the chain's commands: %w", err)
	}
	return nil
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
