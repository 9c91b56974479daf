// Package network holds what every program of Plexus must agree on before it
// can talk to a chain: the denomination, the address prefixes and the default
// ports. It imports only the SDK's address types.
package network

import (
	"os"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

const (
	// Denom is the base unit of account. Every amount on the chain is an
	// integer of it.
	Denom = "nplx"
	// DisplayDenom is what people read and write: 1 PLX = 1e9 nplx.
	DisplayDenom = "PLX"

	// AddressPrefix starts every account address. Operator and consensus
	// addresses add the SDK's usual suffixes.
	AddressPrefix = "plx"

	// CoinType is the HD wallet coin type of derived keys (Cosmos').
	CoinType = 118

	// scope names the SDK's configuration of this process.
	scope = "plexus"
)

// ConfigureAddresses sets the SDK's process-wide address prefixes and staking
// denomination. A program calls it once, first thing; calling it again is
// harmless.
func ConfigureAddresses() {
	// The SDK looks its configuration up for every address that it reads, under
	// a name which it makes of the executable's path and the host's name: two
	// system calls each time, a sixth of what an epoch took. A name given to it
	// spares them.
	if os.Getenv(sdk.EnvConfigScope) == "" {
		_ = os.Setenv(sdk.EnvConfigScope, scope) // fails for bad names only
	}
	sdk.DefaultBondDenom = Denom
	cfg := sdk.GetConfig()
	cfg.SetBech32PrefixForAccount(AddressPrefix, AddressPrefix+"pub")
	cfg.SetBech32PrefixForValidator(AddressPrefix+"valoper", AddressPrefix+"valoperpub")
	cfg.SetBech32PrefixForConsensusNode(AddressPrefix+"valcons", AddressPrefix+"valconspub")
	cfg.SetCoinType(CoinType)
}
