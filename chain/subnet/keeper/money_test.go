package keeper_test

import (
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/network"
)

func coin(nplx uint64) sdk.Coin { return sdk.NewCoin(network.Denom, sdkmath.NewIntFromUint64(nplx)) }

func send(from, to apptest.Account, nplx uint64) *banktypes.MsgSend {
	return banktypes.NewMsgSend(from.Address(), to.Address(), sdk.NewCoins(coin(nplx)))
}

func delegate(from apptest.Account, to apptest.Validator, nplx uint64) *stakingtypes.MsgDelegate {
	return stakingtypes.NewMsgDelegate(from.String(), to.Account().Operator().String(), coin(nplx))
}

func undelegate(from apptest.Account, to apptest.Validator, nplx uint64) *stakingtypes.MsgUndelegate {
	return stakingtypes.NewMsgUndelegate(from.String(), to.Account().Operator().String(), coin(nplx))
}

func toMsgs(msgs ...sdk.Msg) []sdk.Msg { return msgs }

func coins(nplx uint64) sdk.Coins { return sdk.NewCoins(coin(nplx)) }
