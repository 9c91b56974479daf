package subnetv1

import (
	"github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
)

// RegisterInterfaces makes the messages of this package known to a codec, so
// that transactions that carry them can be encoded and decoded.
func RegisterInterfaces(registry types.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil),
		&MsgCreateSubnet{},
		&MsgRegister{},
		&MsgServe{},
		&MsgSetWeights{},
		&MsgBindHotkey{},
		&MsgUpdateParams{},
		&MsgTransferSubnet{},
		&MsgRemoveSubnet{},
		&MsgSetHyperparams{},
		&MsgDeregister{},
		&MsgSwapHotkey{},
		&MsgSwapColdkey{},
		&MsgSetIdentity{},
		&MsgSetRootWeights{},
		&MsgCommitWeights{},
		&MsgCommitHash{},
		&MsgSubmitPulse{},
	)
	msgservice.RegisterMsgServiceDesc(registry, &_Msg_serviceDesc)
}
