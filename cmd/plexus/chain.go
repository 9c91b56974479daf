package main

import (
	"errors"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cast"
	"github.com/spf13/cobra"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/debug"
	"github.com/cosmos/cosmos-sdk/client/keys"
	"github.com/cosmos/cosmos-sdk/client/pruning"
	"github.com/cosmos/cosmos-sdk/client/rpc"
	"github.com/cosmos/cosmos-sdk/client/snapshot"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	authcmd "github.com/cosmos/cosmos-sdk/x/auth/client/cli"
	genutilcli "github.com/cosmos/cosmos-sdk/x/genutil/client/cli"

	"github.com/plexusnet/plexus/chain/app"
	"github.com/plexusnet/plexus/chain/metrics"
	"github.com/plexusnet/plexus/chain/nodeconfig"
	"github.com/plexusnet/plexus/chain/pace"
)

// chainGroup marks the commands that work on the chain's own files and
// configuration, config.toml and app.toml.
const chainGroup = "chain"

// addChainCommands adds the commands of a node and of its accounts.
func addChainCommands(root *cobra.Command, chain *app.App) {
	root.AddCommand(
		genutilcli.InitCmd(chain.Basics(), defaultHome()),
		genutilcli.Commands(chain.Encoding().TxConfig, chain.Basics(), defaultHome()),
		debug.Cmd(),
		pruning.Cmd(newNode, defaultHome()),
		snapshot.Cmd(newNode),
		server.StatusCommand(),
		queryCommand(),
		txCommand(),
		keys.Commands(),
	)
	var node nodeBuilder
	server.AddCommandsWithStartCmdOptions(root, defaultHome(), node.open, exportState, server.StartCmdOptions{})
	node.watchStart(root)
	for _, cmd := range root.Commands() {
		if cmd.GroupID == "" { // our own have theirs
			cmd.GroupID = chainGroup
		}
	}
}

// ofChain tells whether a command, or the one it belongs to, is of the chain.
func ofChain(cmd *cobra.Command) bool {
	for ; cmd != nil; cmd = cmd.Parent() {
		if cmd.GroupID == chainGroup {
			return true
		}
	}
	return false
}

func queryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "query",
		Aliases: []string{"q"},
		Short:   "Ask the chain",
		RunE:    client.ValidateCmd,
	}
	cmd.AddCommand(
		rpc.WaitTxCmd(),
		server.QueryBlockCmd(),
		server.QueryBlocksCmd(),
		server.QueryBlockResultsCmd(),
		authcmd.QueryTxCmd(),
		authcmd.QueryTxsByEventsCmd(),
	)
	return cmd
}

func txCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tx",
		Short: "Send transactions",
		RunE:  client.ValidateCmd,
	}
	cmd.AddCommand(
		authcmd.GetSignCommand(),
		authcmd.GetSignBatchCommand(),
		authcmd.GetMultiSignCommand(),
		authcmd.GetMultiSignBatchCmd(),
		authcmd.GetValidateSignaturesCommand(),
		authcmd.GetBroadcastCommand(),
		authcmd.GetEncodeCommand(),
		authcmd.GetDecodeCommand(),
		authcmd.GetSimulateCmd(),
	)
	return cmd
}

// newNode opens the application of a node. The SDK's server gives no way to
// return an error here, so a state that cannot be opened ends the process with
// its reason.
func newNode(logger log.Logger, db dbm.DB, options servertypes.AppOptions) servertypes.Application {
	return openNode(logger, db, options)
}

func openNode(logger log.Logger, db dbm.DB, options servertypes.AppOptions) *app.App {
	chain, err := app.New(logger, db, true, options, server.DefaultBaseappOptions(options)...)
	if err != nil {
		panic(err)
	}
	return chain
}

// nodeBuilder opens the application of `plexus start` and lets it steer the
// pace of the consensus engine that runs in the same process.
type nodeBuilder struct {
	comet *cmtcfg.Config
}

// watchStart keeps the engine's configuration when the start command has read
// it, before the application is opened.
func (n *nodeBuilder) watchStart(root *cobra.Command) {
	start, _, err := root.Find([]string{"start"})
	if err != nil {
		return
	}
	before := start.PreRunE
	start.PreRunE = func(cmd *cobra.Command, args []string) error {
		n.comet = server.GetServerContextFromCmd(cmd).Config
		if before == nil {
			return nil
		}
		return before(cmd, args)
	}
}

func (n *nodeBuilder) open(logger log.Logger, db dbm.DB, options servertypes.AppOptions) servertypes.Application {
	chain := openNode(logger, db, options)
	if target := cast.ToDuration(options.Get(nodeconfig.KeyBlockTime)); n.comet != nil && target > 0 {
		// The engine reads its pause from this configuration right after it has
		// committed a block, in the goroutine that calls us.
		pacer := pace.New(target)
		chain.OnCommit(func(height int64, blockTime time.Time) {
			n.comet.Consensus.TimeoutCommit = pacer.Pause(height, blockTime)
		})
	}
	if !cast.ToBool(options.Get(nodeconfig.KeyTelemetry)) {
		return chain
	}
	observed, err := metrics.Watch(chain, prometheus.DefaultRegisterer)
	if err != nil {
		panic(err) // as openNode does, for the same want of a way to return it
	}
	return observed
}

// exportState returns the state after a block, the latest if height is -1.
// Heights of subnets and streams live on in it, so there is no export that
// starts again at height zero.
func exportState(logger log.Logger, db dbm.DB, height int64, forZeroHeight bool, _ []string,
	options servertypes.AppOptions, modules []string,
) (servertypes.ExportedApp, error) {
	if forZeroHeight {
		return servertypes.ExportedApp{}, errors.New("--for-zero-height: not possible, the new chain goes on at the next height; leave the flag away")
	}
	chain, err := app.New(logger, db, height == -1, options)
	if err != nil {
		return servertypes.ExportedApp{}, err
	}
	if height != -1 {
		if err := chain.LoadHeight(height); err != nil {
			return servertypes.ExportedApp{}, err
		}
	}
	return chain.Export(modules)
}
