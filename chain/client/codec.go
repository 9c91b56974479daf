package chainclient

import (
	"fmt"

	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	txsigning "github.com/cosmos/cosmos-sdk/x/tx/signing"

	"github.com/plexusnet/plexus/chain/network"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// encoding is what turns messages into bytes and back. It knows the messages
// that this client's users send, and no more.
type encoding struct {
	registry codectypes.InterfaceRegistry
	codec    *codec.ProtoCodec
	tx       client.TxConfig
}

func newEncoding() (*encoding, error) {
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: proto.HybridResolver,
		SigningOptions: txsigning.Options{
			AddressCodec:          address.NewBech32Codec(network.AddressPrefix),
			ValidatorAddressCodec: address.NewBech32Codec(network.AddressPrefix + sdk.PrefixValidator + sdk.PrefixOperator),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("interface registry: %w", err)
	}
	cryptocodec.RegisterInterfaces(registry)
	authtypes.RegisterInterfaces(registry)
	banktypes.RegisterInterfaces(registry)
	channelv1.RegisterInterfaces(registry)
	subnetv1.RegisterInterfaces(registry)

	cdc := codec.NewProtoCodec(registry)
	txConfig, err := authtx.NewTxConfigWithOptions(cdc, authtx.ConfigOptions{
		EnabledSignModes: []signing.SignMode{signing.SignMode_SIGN_MODE_DIRECT},
	})
	if err != nil {
		return nil, fmt.Errorf("transaction encoding: %w", err)
	}
	return &encoding{registry: registry, codec: cdc, tx: txConfig}, nil
}

// check refuses messages that could be sent but whose inclusion could not be
// read back.
func (e *encoding) check(msgs []sdk.Msg) error {
	if len(msgs) == 0 {
		return fmt.Errorf("a transaction needs at least one message")
	}
	for _, msg := range msgs {
		url := sdk.MsgTypeURL(msg)
		if _, err := e.registry.Resolve(url); err != nil {
			return fmt.Errorf("this client cannot send %s: %w", url, err)
		}
	}
	return nil
}
