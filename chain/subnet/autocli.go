package subnet

import (
	"github.com/spf13/cobra"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"

	"github.com/plexusnet/plexus/chain/subnet/cli"
)

// AutoCLIOptions names the commands that are made from the protobuf services.
// Package cli has the others: those with lists, and the queries, which show
// tables.
func (Module) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service:              "plexus.subnet.v1.Query",
			EnhanceCustomCommand: true,
			RpcCommandOptions:    queryCommands(),
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service:              "plexus.subnet.v1.Msg",
			EnhanceCustomCommand: true,
			RpcCommandOptions:    txCommands(),
		},
	}
}

// args names the positional arguments of a command by their fields.
func args(fields ...string) []*autocliv1.PositionalArgDescriptor {
	positional := make([]*autocliv1.PositionalArgDescriptor, len(fields))
	for i, field := range fields {
		positional[i] = &autocliv1.PositionalArgDescriptor{ProtoField: field}
	}
	return positional
}

// queryCommands skips every query: package cli shows them all as tables.
func queryCommands() []*autocliv1.RpcCommandOptions {
	var commands []*autocliv1.RpcCommandOptions
	for _, byHand := range []string{
		"Params", "Subnets", "Subnet", "Metagraph", "Neuron", "Weights", "Bonds", "History",
		"Positions", "Identity", "RootWeights", "Commits", "Pulse", "Emission",
	} {
		commands = append(commands, &autocliv1.RpcCommandOptions{RpcMethod: byHand, Skip: true})
	}
	return commands
}

func txCommands() []*autocliv1.RpcCommandOptions {
	commands := []*autocliv1.RpcCommandOptions{
		{RpcMethod: "RemoveSubnet", Use: "remove NETUID", Short: "End your subnet and get its lock back, less what you were paid", PositionalArgs: args("netuid")},
		{RpcMethod: "Deregister", Use: "deregister NETUID HOTKEY", Short: "Give up a uid, as its coldkey or hotkey", PositionalArgs: args("netuid", "hotkey")},
		{
			RpcMethod: "SubmitPulse", Use: "submit-pulse ROUND SIGNATURE", PositionalArgs: args("round", "signature"),
			Short: "Bring a beacon round to the chain (plexus beacon does this itself)",
		},
		{RpcMethod: "SwapColdkey", Use: "swap-coldkey NEW-COLDKEY", Short: "Move your hotkeys, neurons and subnets to another coldkey, for a price", PositionalArgs: args("new_coldkey")},
	}
	for _, other := range []string{
		"Serve", "SetWeights", "SetRootWeights", "SetHyperparams", "SetIdentity", // by hand: lists, and messages within messages
		"CommitWeights", "CommitHash", // by hand: sealed here
		"CreateSubnet", "TransferSubnet", "Register", "BindHotkey", "SwapHotkey", // by hand: with the proof of a hotkey
		"UpdateParams", // by governance only
	} {
		commands = append(commands, &autocliv1.RpcCommandOptions{RpcMethod: other, Skip: true})
	}
	return commands
}

// GetTxCmd returns the transactions that are written by hand.
func (Module) GetTxCmd() *cobra.Command { return cli.TxCommand() }

// GetQueryCmd returns the queries that show tables.
func (Module) GetQueryCmd() *cobra.Command { return cli.QueryCommand() }
