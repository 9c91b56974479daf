package app

import (
	"fmt"

	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/std"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	"github.com/cosmos/cosmos-sdk/x/tx/signing"

	"github.com/plexusnet/plexus/chain/network"
)

// Encoding holds the codecs of the chain's messages, accounts and
// transactions.
type Encoding struct {
	Registry codectypes.InterfaceRegistry
	Codec    codec.Codec
	Amino    *codec.LegacyAmino
	TxConfig client.TxConfig
}

// addressCodecs returns the codecs of account, operator and consensus
// addresses.
func addressCodecs() (account, operator, consensus address.Bech32Codec) {
	return address.Bech32Codec{Bech32Prefix: network.AddressPrefix},
		address.Bech32Codec{Bech32Prefix: network.AddressPrefix + "valoper"},
		address.Bech32Codec{Bech32Prefix: network.AddressPrefix + "valcons"}
}

// newEncoding returns codecs that know the SDK's basic types. The modules add
// theirs when the application is built.
func newEncoding() (Encoding, error) {
	account, operator, _ := addressCodecs()
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles:     proto.HybridResolver,
		SigningOptions: signing.Options{AddressCodec: account, ValidatorAddressCodec: operator},
	})
	if err != nil {
		return Encoding{}, fmt.Errorf("interface registry: %w", err)
	}
	cdc := codec.NewProtoCodec(registry)
	amino := codec.NewLegacyAmino()
	std.RegisterLegacyAminoCodec(amino)
	std.RegisterInterfaces(registry)
	return Encoding{
		Registry: registry,
		Codec:    cdc,
		Amino:    amino,
		TxConfig: authtx.NewTxConfig(cdc, authtx.DefaultSignModes),
	}, nil
}
