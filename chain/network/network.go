// Package network holds what every program of Plexus must agree on before it
// can talk to a chain: the denomination, the address prefixes and the default
// ports. It imports only the SDK's address types.
package network

import (
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
)

// ConfigureAddresses sets the SDK's process-wide address prefixes and staking
// denomination. A program calls it once, first thing; calling it again is
// harmless.
func ConfigureAddresses() {
	sdk.DefaultBondDenom = Denom
	cfg := sdk.GetConfig()
	cfg.SetBech32PrefixForAccount(AddressPrefix, AddressPrefix+"pub")
	cfg.SetBech32PrefixForValidator(AddressPrefix+"valoper", AddressPrefix+"valoperpub")
	cfg.SetBech32PrefixForConsensusNode(AddressPrefix+"valcons", AddressPrefix+"valconspub")
	cfg.SetCoinType(CoinType)
}
