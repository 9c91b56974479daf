package apptest

import (
	"context"
	"errors"

	abci "github.com/cometbft/cometbft/abci/types"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/cosmos/gogoproto/proto"
	"google.golang.org/grpc"

	errorsmod "cosmossdk.io/errors"

	"github.com/plexusnet/plexus/chain/app"
)

// conn carries queries to the application as a node does: encoded, and about
// the last state that was committed.
type conn struct{ app *app.App }

var _ gogogrpc.ClientConn = conn{}

func (c conn) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	data, err := proto.Marshal(args.(proto.Message))
	if err != nil {
		return err
	}
	res, err := c.app.Query(ctx, &abci.RequestQuery{Path: method, Data: data})
	if err != nil {
		return err
	}
	if res.Code != 0 {
		return errorsmod.ABCIError(res.Codespace, res.Code, res.Log)
	}
	return proto.Unmarshal(res.Value, reply.(proto.Message))
}

func (conn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("queries of the application do not stream")
}
