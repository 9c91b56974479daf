package keeper

import (
	"context"

	"cosmossdk.io/core/address"

	sdk "github.com/cosmos/cosmos-sdk/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/plexusnet/plexus/subnet"
)

// AccountKeeper creates the accounts of hotkeys, which sign but own nothing.
type AccountKeeper interface {
	AddressCodec() address.Codec
	HasAccount(ctx context.Context, addr sdk.AccAddress) bool
	NewAccountWithAddress(ctx context.Context, addr sdk.AccAddress) sdk.AccountI
	SetAccount(ctx context.Context, acc sdk.AccountI)
	GetModuleAddress(name string) sdk.AccAddress
	GetModuleAccount(ctx context.Context, name string) sdk.ModuleAccountI
}

// BankKeeper moves, mints and burns.
type BankKeeper interface {
	GetBalance(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
	GetSupply(ctx context.Context, denom string) sdk.Coin
	BlockedAddr(addr sdk.AccAddress) bool
	MintCoins(ctx context.Context, module string, amounts sdk.Coins) error
	BurnCoins(ctx context.Context, module string, amounts sdk.Coins) error
	SendCoinsFromAccountToModule(ctx context.Context, sender sdk.AccAddress, module string, amount sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, module string, recipient sdk.AccAddress, amount sdk.Coins) error
	SendCoinsFromModuleToModule(ctx context.Context, sender, recipient string, amount sdk.Coins) error
}

// StakingKeeper knows the validators and their tokens.
type StakingKeeper interface {
	GetValidator(ctx context.Context, operator sdk.ValAddress) (stakingtypes.Validator, error)
	ValidatorAddressCodec() address.Codec
}

// DistributionKeeper hands rewards to a validator and its delegators.
type DistributionKeeper interface {
	AllocateTokensToValidator(ctx context.Context, validator stakingtypes.ValidatorI, tokens sdk.DecCoins) error
}

// DemandKeeper knows what callers burn for subnets.
type DemandKeeper interface {
	// SmoothedBurned returns the nplx that count as burned in this block for
	// every subnet that has any, ascending by netuid. Over any time they must
	// not add up to more than was burned: see Window of package payment.
	SmoothedBurned(ctx context.Context) ([]subnet.NetuidAmount, error)
}
