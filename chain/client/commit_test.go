package chainclient

import (
	"context"
	"encoding/hex"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txservice "github.com/cosmos/cosmos-sdk/types/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/plexusnet/plexus/chain/sealing"
	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// hidingNode is a fakeNode with a subnet whose weights are hidden. It keeps the
// messages that it accepts.
type hidingNode struct {
	*fakeNode
	secret timelock.SecretKey

	guard   sync.Mutex
	info    subnetv1.SubnetInfo
	height  int64
	msgs    []sdk.Msg
	pages   [][]subnetv1.Commit
	refuses int // so many commits name an epoch that just ended
}

func startHiding(t *testing.T) (*hidingNode, *Client, *Signer) {
	node := &hidingNode{fakeNode: newFakeNode(t), secret: timelock.NewSecretKey(), height: 400}
	node.info = subnetv1.SubnetInfo{NextEpoch: 460, Subnet: subnetv1.Subnet{
		Netuid: 1, Epochs: 9, LastEpoch: 100,
		Hyperparams: subnetv1.Hyperparams{Tempo: 360, RevealPeriod: 1, CommitReveal: subnet.CommitRevealTimelock, WeightsVersion: 4},
	}}
	address := node.serveHiding()
	return node, dial(t, Config{Address: address, TxTimeout: 5 * time.Second}), newSigner(t)
}

// serveHiding is serve with this node's own answers.
func (n *hidingNode) serveHiding() string {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(n.t, err)
	srv := grpc.NewServer(grpc.ForceServerCodec(n.enc.codec.GRPCCodec()))
	cmtservice.RegisterServiceServer(srv, n)
	txservice.RegisterServiceServer(srv, n)
	authtypes.RegisterQueryServer(srv, &fakeAccounts{node: n.fakeNode})
	subnetv1.RegisterQueryServer(srv, n)
	go func() { _ = srv.Serve(lis) }()
	n.t.Cleanup(srv.Stop)
	return lis.Addr().String()
}

const hidingGenesis = 1_700_000_000

func (n *hidingNode) beacon() subnetv1.Beacon {
	return subnetv1.Beacon{PublicKey: n.secret.Public().Bytes(), GenesisTime: hidingGenesis, PeriodSeconds: 3}
}

func (n *hidingNode) Params(context.Context, *subnetv1.QueryParamsRequest) (*subnetv1.QueryParamsResponse, error) {
	return &subnetv1.QueryParamsResponse{Params: subnetv1.Params{Beacon: n.beacon()}}, nil
}

func (n *hidingNode) Subnet(context.Context, *subnetv1.QuerySubnetRequest) (*subnetv1.QuerySubnetResponse, error) {
	n.guard.Lock()
	defer n.guard.Unlock()
	return &subnetv1.QuerySubnetResponse{Subnet: n.info}, nil
}

func (n *hidingNode) Commits(_ context.Context, req *subnetv1.QueryCommitsRequest) (*subnetv1.QueryCommitsResponse, error) {
	at := len(req.Pagination.GetKey())
	resp := &subnetv1.QueryCommitsResponse{Commits: n.pages[at]}
	if at+1 < len(n.pages) {
		resp.Pagination = pageKey("xxxxxxxx"[:at+1])
	}
	return resp, nil
}

// Blocks come every twelve seconds.
func (n *hidingNode) header(height int64) *cmtservice.Block {
	return &cmtservice.Block{Header: cmtservice.Header{Height: height, Time: time.Unix(hidingGenesis+12*height, 0).UTC()}}
}

func (n *hidingNode) GetLatestBlock(context.Context, *cmtservice.GetLatestBlockRequest) (*cmtservice.GetLatestBlockResponse, error) {
	return &cmtservice.GetLatestBlockResponse{SdkBlock: n.header(n.height)}, nil
}

func (n *hidingNode) GetBlockByHeight(_ context.Context, req *cmtservice.GetBlockByHeightRequest) (*cmtservice.GetBlockByHeightResponse, error) {
	if req.Height < 1 || req.Height > n.height {
		return nil, status.Errorf(codes.InvalidArgument, "height %d", req.Height)
	}
	return &cmtservice.GetBlockByHeightResponse{SdkBlock: n.header(req.Height)}, nil
}

// BroadcastTx refuses commits that name another epoch, as the chain does.
func (n *hidingNode) BroadcastTx(ctx context.Context, req *txservice.BroadcastTxRequest) (*txservice.BroadcastTxResponse, error) {
	n.guard.Lock()
	if n.refuses > 0 {
		n.refuses--
		n.info.Subnet.Epochs++
	}
	epochs := n.info.Subnet.Epochs
	msg := n.decode(req.TxBytes).GetMsgs()[0]
	n.guard.Unlock()
	if m, ok := msg.(*subnetv1.MsgCommitWeights); ok && m.Epoch != epochs {
		return &txservice.BroadcastTxResponse{TxResponse: &sdk.TxResponse{Codespace: "subnet", Code: 41, RawLog: "another epoch"}}, nil
	}
	n.msgs = append(n.msgs, msg)
	return n.fakeNode.BroadcastTx(ctx, req)
}

// GetTx answers with the commit's id.
func (n *hidingNode) GetTx(ctx context.Context, req *txservice.GetTxRequest) (*txservice.GetTxResponse, error) {
	resp, err := n.fakeNode.GetTx(ctx, req)
	if err != nil {
		return nil, err
	}
	var answer proto.Message = &subnetv1.MsgCommitWeightsResponse{Id: 77}
	if _, ok := n.msgs[len(n.msgs)-1].(*subnetv1.MsgCommitHash); ok {
		answer = &subnetv1.MsgCommitHashResponse{Id: 78}
	}
	packed, err := codectypes.NewAnyWithValue(answer)
	require.NoError(n.t, err)
	raw, err := proto.Marshal(&sdk.TxMsgData{MsgResponses: []*codectypes.Any{packed}})
	require.NoError(n.t, err)
	resp.TxResponse.Data = hex.EncodeToString(raw)
	return resp, nil
}

func TestCommitWeightsCanBeOpenedByItsRound(t *testing.T) {
	node, c, s := startHiding(t)
	row := Weights{UIDs: []uint32{0, 3}, Values: []uint32{1, 2}}
	done, err := c.CommitWeights(t.Context(), s, 1, row)
	require.NoError(t, err)
	require.EqualValues(t, 77, done.ID)
	require.EqualValues(t, 9, done.Epoch)
	// 60 blocks to the epoch, one more, and 18 as a margin, from height 400.
	require.EqualValues(t, (400*12+79*12)/3+1, done.Round)

	msg := node.msgs[0].(*subnetv1.MsgCommitWeights)
	require.Equal(t, done.Round, msg.Round)
	signature, err := node.secret.Sign(msg.Round)
	require.NoError(t, err)
	sealed, err := sealing.Decrypt(msg.Round, signature, msg.Ciphertext)
	require.NoError(t, err)
	require.Equal(t, row.UIDs, sealed.Uids)
	require.Equal(t, row.Values, sealed.Values)
	require.EqualValues(t, 4, sealed.Version)
	require.NoError(t, subnet.Commit{ChainID: fakeChainID, Netuid: 1, Hotkey: s.Address(), Epoch: msg.Epoch}.CheckBinding(sealing.Opening(sealed)))
}

func TestCommitWeightsIsBuiltAgainWhenAnEpochGoesBy(t *testing.T) {
	node, c, s := startHiding(t)
	node.refuses = 2
	done, err := c.CommitWeights(t.Context(), s, 1, Weights{UIDs: []uint32{0}, Values: []uint32{1}})
	require.NoError(t, err)
	require.EqualValues(t, 11, done.Epoch)

	node.refuses = 100
	_, err = c.CommitWeights(t.Context(), s, 1, Weights{UIDs: []uint32{0}, Values: []uint32{1}})
	var refused *TxError
	require.ErrorAs(t, err, &refused, "not for ever")
	require.EqualValues(t, 100-1-maxEpochRetries, node.refuses)
}

func TestCommitHashOpensTheLast(t *testing.T) {
	node, c, s := startHiding(t)
	first, err := c.SealWeights(t.Context(), s, 1, Weights{UIDs: []uint32{0}, Values: []uint32{1}})
	require.NoError(t, err)
	done, err := c.CommitHash(t.Context(), s, 1, first, nil)
	require.NoError(t, err)
	require.EqualValues(t, 78, done.ID)

	node.guard.Lock()
	node.info.Subnet.Epochs = 10
	node.guard.Unlock()
	second, err := c.SealWeights(t.Context(), s, 1, Weights{UIDs: []uint32{1}, Values: []uint32{1}})
	require.NoError(t, err)
	_, err = c.CommitHash(t.Context(), s, 1, second, first)
	require.NoError(t, err)
	msg := node.msgs[1].(*subnetv1.MsgCommitHash)
	require.EqualValues(t, 10, msg.Epoch)
	hash, err := sealing.Hash(second)
	require.NoError(t, err)
	require.Equal(t, hash, msg.Hash)
	opened, err := sealing.Hash(msg.Opening)
	require.NoError(t, err)
	require.Equal(t, node.msgs[0].(*subnetv1.MsgCommitHash).Hash, opened, "bit for bit, after its way over the wire")
}

func TestTip(t *testing.T) {
	node, c, _ := startHiding(t)
	tip, err := c.Tip(t.Context())
	require.NoError(t, err)
	require.Equal(t, sealing.Tip{Height: 400, Unix: hidingGenesis + 4800, BlockNanos: 12_000_000_000}, tip)
	node.height = 2
	tip, err = c.Tip(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 12_000_000_000, tip.BlockNanos)
	node.height = 1
	_, err = c.Tip(t.Context())
	require.ErrorIs(t, err, ErrUnavailable, "one block has no pace: try again later")
}

func TestCommitsReadsAllPages(t *testing.T) {
	node, c, _ := startHiding(t)
	node.pages = [][]subnetv1.Commit{{{Id: 1}, {Id: 2}}, {{Id: 3}}, nil}
	all, err := c.Commits(t.Context(), 1, "")
	require.NoError(t, err)
	require.Len(t, all, 3)
}
