package subnet

import (
	"github.com/spf13/cobra"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"

	"github.com/plexusnet/plexus/chain/subnet/cli"
)

// AutoCLIOptions names the commands that are made from the protobuf services.
func (Module) AutoCLIOptions() *autocliv1.ModuleOptions {
	netuid := []*autocliv1.PositionalArgDescriptor{{ProtoField: "netuid"}}
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "plexus.subnet.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Params", Use: "params", Short: "Show the parameters of the network"},
				{RpcMethod: "Subnets", Use: "list", Short: "List all subnets with price and pending emission"},
				{RpcMethod: "Subnet", Use: "show NETUID", Short: "Show one subnet", PositionalArgs: netuid},
				{RpcMethod: "Metagraph", Use: "metagraph NETUID", Short: "Show all neurons of a subnet", PositionalArgs: netuid},
				{
					RpcMethod: "Neuron", Use: "neuron NETUID HOTKEY", Short: "Show one neuron and what it may do when",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "netuid"}, {ProtoField: "hotkey"}},
				},
				{RpcMethod: "Weights", Use: "weights NETUID", Short: "Show the weights that validators set", PositionalArgs: netuid},
				{
					RpcMethod: "Commits", Use: "commits NETUID", Short: "Show the hidden, opened and failed weights of a subnet", PositionalArgs: netuid,
					FlagOptions: map[string]*autocliv1.FlagOptions{"hotkey": {Usage: "of one hotkey only"}},
				},
				{RpcMethod: "Pulse", Use: "pulse", Short: "Show the beacon and the rounds that hidden weights wait for"},
				{RpcMethod: "Emission", Use: "emission", Short: "Show issuance, the next halving and the supply invariant"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service:              "plexus.subnet.v1.Msg",
			EnhanceCustomCommand: true,
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod: "CreateSubnet", Use: "create NAME", Short: "Open a subnet and lock its price",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "name"}},
					FlagOptions: map[string]*autocliv1.FlagOptions{
						"max_lock":     {Usage: "refuse a higher price, nplx"},
						"owner_hotkey": {Usage: "hotkey whose neuron is exempt from the stake threshold"},
					},
				},
				{
					RpcMethod: "Register", Use: "register NETUID HOTKEY", Short: "Register a hotkey in a subnet and burn the price",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "netuid"}, {ProtoField: "hotkey"}},
					FlagOptions:    map[string]*autocliv1.FlagOptions{"max_burn": {Usage: "refuse a higher price, nplx"}},
				},
				{
					RpcMethod: "BindHotkey", Use: "bind-hotkey HOTKEY", Short: "Make your validator's stake count for a hotkey",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "hotkey"}},
				},
				{RpcMethod: "Serve", Skip: true}, // by hand: a message within the message
				{
					RpcMethod: "SubmitPulse", Use: "submit-pulse ROUND SIGNATURE", Short: "Bring a beacon round to the chain (plexus beacon does this itself)",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "round"}, {ProtoField: "signature"}},
				},
				{RpcMethod: "CommitWeights", Skip: true}, // by hand: encrypted here
				{RpcMethod: "CommitHash", Skip: true},    // by hand: what is hidden is kept in a file
				{RpcMethod: "SetWeights", Skip: true},    // by hand: lists of numbers
				{RpcMethod: "UpdateParams", Skip: true},  // by governance only
			},
		},
	}
}

// GetTxCmd returns the transactions that are written by hand.
func (Module) GetTxCmd() *cobra.Command { return cli.TxCommand() }
