package keeper

import (
	"context"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// emitEvent tells indexers and waiting programs what a block changed. Event
// types are prefixed with the module's name.
func emitEvent(ctx context.Context, kind string, attributes ...sdk.Attribute) {
	sdk.UnwrapSDKContext(ctx).EventManager().EmitEvent(sdk.NewEvent(ModuleName+"_"+kind, attributes...))
}

func attr(key string, value any) sdk.Attribute {
	return sdk.NewAttribute(key, fmt.Sprint(value))
}
