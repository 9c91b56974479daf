package channel

import (
	"github.com/spf13/cobra"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"

	"github.com/plexusnet/plexus/chain/channel/cli"
)

// AutoCLIOptions names the commands that are made from the protobuf services.
// Package cli has the others: those that read keys and vouchers, and the
// queries, which show tables.
func (Module) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service:              "plexus.channel.v1.Query",
			EnhanceCustomCommand: true,
			RpcCommandOptions:    skipped("Params", "Channel", "Channels", "Demand", "MinerDemand", "Totals"),
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service:              "plexus.channel.v1.Msg",
			EnhanceCustomCommand: true,
			RpcCommandOptions:    txCommands(),
		},
	}
}

// skipped names the methods that get no command from here.
func skipped(methods ...string) []*autocliv1.RpcCommandOptions {
	commands := make([]*autocliv1.RpcCommandOptions, len(methods))
	for i, method := range methods {
		commands[i] = &autocliv1.RpcCommandOptions{RpcMethod: method, Skip: true}
	}
	return commands
}

func txCommands() []*autocliv1.RpcCommandOptions {
	ofChannel := []*autocliv1.PositionalArgDescriptor{{ProtoField: "channel"}}
	return append(skipped("Open", "Redeem", "UpdateParams"),
		&autocliv1.RpcCommandOptions{
			RpcMethod: "TopUp", Use: "top-up CHANNEL", Short: "Add to the deposit of your channel, or move its expiry later", PositionalArgs: ofChannel,
			FlagOptions: map[string]*autocliv1.FlagOptions{
				"amount":  {Usage: "nplx to add"},
				"expires": {Usage: "height at which it ends by itself from now on"},
			},
		},
		&autocliv1.RpcCommandOptions{
			RpcMethod: "Close", Use: "close CHANNEL", PositionalArgs: ofChannel,
			Short: "End a channel: after a delay as its payer, at once as its payee or hotkey",
		},
		&autocliv1.RpcCommandOptions{
			RpcMethod: "Collect", Use: "collect CHANNEL", PositionalArgs: ofChannel,
			Short: "Return what is left of an ended channel to its payer; anyone may",
		},
	)
}

// GetTxCmd returns the transactions that are written by hand.
func (Module) GetTxCmd() *cobra.Command { return cli.TxCommand() }

// GetQueryCmd returns the queries that show tables.
func (Module) GetQueryCmd() *cobra.Command { return cli.QueryCommand() }
