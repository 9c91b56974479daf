package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cosmos/cosmos-sdk/version"

	beaconcmd "github.com/plexusnet/plexus/cmd/plexus/beacon"
	consensuscmd "github.com/plexusnet/plexus/cmd/plexus/consensus"
	doctorcmd "github.com/plexusnet/plexus/cmd/plexus/doctor"
	gatewaycmd "github.com/plexusnet/plexus/cmd/plexus/gateway"
	infercmd "github.com/plexusnet/plexus/cmd/plexus/infer"
	localnetcmd "github.com/plexusnet/plexus/cmd/plexus/localnet"
	minercmd "github.com/plexusnet/plexus/cmd/plexus/miner"
	modelcmd "github.com/plexusnet/plexus/cmd/plexus/model"
	runtimecmd "github.com/plexusnet/plexus/cmd/plexus/runtime"
	simcmd "github.com/plexusnet/plexus/cmd/plexus/sim"
	testnetcmd "github.com/plexusnet/plexus/cmd/plexus/testnet"
	validatorcmd "github.com/plexusnet/plexus/cmd/plexus/validator"
	walletcmd "github.com/plexusnet/plexus/cmd/plexus/wallet"
)

// ownGroup marks the commands of Plexus itself.
const ownGroup = "plexus"

// addOwnCommands adds what Plexus does beside its chain.
func addOwnCommands(root *cobra.Command) {
	for _, cmd := range []*cobra.Command{
		localnetcmd.Command(),
		minercmd.Command(),
		validatorcmd.Command(),
		beaconcmd.Command(),
		infercmd.Command(),
		gatewaycmd.Command(),
		walletcmd.Command(),
		modelcmd.Command(),
		runtimecmd.Command(),
		doctorcmd.Command(),
		consensuscmd.Command(),
		simcmd.Command(simcmd.Settings{Version: version.Version}),
		testnetcmd.Command(),
	} {
		cmd.GroupID = ownGroup
		root.AddCommand(cmd)
	}
}

// alias lets the flags that the SDK spells with an underscore be written the
// way all others are.
func alias(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "log-level":
		name = "log_level"
	case "log-format":
		name = "log_format"
	}
	return pflag.NormalizedName(name)
}
