package chainclient

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/p2p"
	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	nodeservice "github.com/cosmos/cosmos-sdk/client/grpc/node"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	txservice "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/plexusnet/plexus/chain/network"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

const fakeChainID = "plexus-fake"

// Several services share Go names; embedding needs different ones.
type (
	restOfComet  = cmtservice.UnimplementedServiceServer
	restOfTx     = txservice.UnimplementedServiceServer
	restOfSubnet = subnetv1.UnimplementedQueryServer
)

// fakeNode answers over real gRPC as a node would, for one account: it checks
// signatures and sequences, puts what it accepts into a block some questions
// later, and can be told to misbehave.
type fakeNode struct {
	restOfComet
	restOfTx
	restOfSubnet

	t   *testing.T
	enc *encoding

	mu        sync.Mutex
	sequence  uint64            // of the account, counting the mempool
	committed uint64            // of the account, as queries see it
	delay     int               // GetTx questions until a transaction is found; negative: never
	asked     map[string]int    // GetTx questions so far
	accepted  map[string]uint64 // hash -> sequence
	accounts  int               // AccountInfo questions
	noAccount bool

	onSimulate  func() *sdkError // refusal of the next simulation
	onBroadcast func() *sdkError // refusal of the next broadcast
	inBlock     *sdkError        // refusal in the block
	getTxDown   int              // GetTx answers Unavailable so many times
	subnets     []subnetv1.SubnetInfo
}

type sdkError struct {
	space string
	code  uint32
	log   string
}

func refusalOf(e interface {
	Codespace() string
	ABCICode() uint32
	Error() string
}) *sdkError {
	return &sdkError{e.Codespace(), e.ABCICode(), e.Error()}
}

// fakeAccounts and nodeStatus are apart, because their methods are named like
// others'.
type fakeAccounts struct {
	authtypes.UnimplementedQueryServer
	node *fakeNode
}

type nodeStatus struct {
	nodeservice.UnimplementedServiceServer
	height func() (uint64, error)
}

func (s *nodeStatus) Status(context.Context, *nodeservice.StatusRequest) (*nodeservice.StatusResponse, error) {
	height, err := s.height()
	if err != nil {
		return nil, err
	}
	now := time.Unix(1_700_000_000, 0).UTC()
	return &nodeservice.StatusResponse{Height: height, Timestamp: &now}, nil
}

func newFakeNode(t *testing.T) *fakeNode {
	enc, err := newEncoding()
	require.NoError(t, err)
	return &fakeNode{t: t, enc: enc, asked: map[string]int{}, accepted: map[string]uint64{}}
}

// serve listens on address and stops with the test.
func (n *fakeNode) serve(address string, height func() (uint64, error)) (string, *grpc.Server) {
	lis, err := net.Listen("tcp", address)
	require.NoError(n.t, err)
	srv := grpc.NewServer(grpc.ForceServerCodec(n.enc.codec.GRPCCodec()))
	cmtservice.RegisterServiceServer(srv, n)
	txservice.RegisterServiceServer(srv, n)
	authtypes.RegisterQueryServer(srv, &fakeAccounts{node: n})
	subnetv1.RegisterQueryServer(srv, n)
	nodeservice.RegisterServiceServer(srv, &nodeStatus{height: height})
	go func() { _ = srv.Serve(lis) }()
	n.t.Cleanup(srv.Stop)
	return lis.Addr().String(), srv
}

func (n *fakeNode) GetNodeInfo(context.Context, *cmtservice.GetNodeInfoRequest) (*cmtservice.GetNodeInfoResponse, error) {
	return &cmtservice.GetNodeInfoResponse{DefaultNodeInfo: &cmtproto.DefaultNodeInfo{Network: fakeChainID}}, nil
}

func (n *fakeNode) GetSyncing(context.Context, *cmtservice.GetSyncingRequest) (*cmtservice.GetSyncingResponse, error) {
	return &cmtservice.GetSyncingResponse{Syncing: true}, nil
}

func (a *fakeAccounts) AccountInfo(_ context.Context, req *authtypes.QueryAccountInfoRequest) (*authtypes.QueryAccountInfoResponse, error) {
	n := a.node
	n.mu.Lock()
	defer n.mu.Unlock()
	n.accounts++
	if n.noAccount {
		return nil, status.Errorf(codes.NotFound, "account %s not found", req.Address)
	}
	return &authtypes.QueryAccountInfoResponse{Info: &authtypes.BaseAccount{Address: req.Address, AccountNumber: 7, Sequence: n.committed}}, nil
}

func (n *fakeNode) ABCIQuery(_ context.Context, req *cmtservice.ABCIQueryRequest) (*cmtservice.ABCIQueryResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if req.Path != "/app/simulate" {
		return nil, status.Errorf(codes.InvalidArgument, "path %q", req.Path)
	}
	refused := n.checkSequence(n.decode(req.Data))
	if refused == nil && n.onSimulate != nil {
		refused, n.onSimulate = n.onSimulate(), nil
	}
	if refused != nil {
		return &cmtservice.ABCIQueryResponse{Codespace: refused.space, Code: refused.code, Log: refused.log}, nil
	}
	value, err := json.Marshal(map[string]any{"gas_info": map[string]string{"gas_wanted": "0", "gas_used": "50000"}})
	return &cmtservice.ABCIQueryResponse{Value: value}, err
}

func (n *fakeNode) decode(raw []byte) authsigning.Tx {
	tx, err := n.enc.tx.TxDecoder()(raw)
	require.NoError(n.t, err)
	return tx.(authsigning.Tx)
}

func (n *fakeNode) checkSequence(tx authsigning.Tx) *sdkError {
	sigs, err := tx.GetSignaturesV2()
	require.NoError(n.t, err)
	if sigs[0].Sequence != n.sequence {
		return refusalOf(sdkerrors.ErrWrongSequence)
	}
	return nil
}

// checkSignature verifies what was signed as a node does.
func (n *fakeNode) checkSignature(tx authsigning.Tx) {
	sigs, err := tx.GetSignaturesV2()
	require.NoError(n.t, err)
	data := authsigning.SignerData{ChainID: fakeChainID, AccountNumber: 7, Sequence: n.sequence, PubKey: sigs[0].PubKey, Address: sdk.AccAddress(sigs[0].PubKey.Address()).String()}
	mode, err := authsigning.APISignModeToInternal(n.enc.tx.SignModeHandler().DefaultMode())
	require.NoError(n.t, err)
	signed, err := authsigning.GetSignBytesAdapter(context.Background(), n.enc.tx.SignModeHandler(), mode, data, tx)
	require.NoError(n.t, err)
	require.True(n.t, sigs[0].PubKey.VerifySignature(signed, sigs[0].Data.(*signing.SingleSignatureData).Signature))
}

func (n *fakeNode) BroadcastTx(_ context.Context, req *txservice.BroadcastTxRequest) (*txservice.BroadcastTxResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	tx := n.decode(req.TxBytes)
	hash := fmt.Sprintf("%X", len(n.accepted)+1000)
	refused := n.checkSequence(tx)
	if refused == nil && n.onBroadcast != nil {
		refused, n.onBroadcast = n.onBroadcast(), nil
	}
	if refused != nil {
		return &txservice.BroadcastTxResponse{TxResponse: &sdk.TxResponse{Codespace: refused.space, Code: refused.code, RawLog: refused.log, TxHash: hash}}, nil
	}
	n.checkSignature(tx)
	require.Equal(n.t, uint64(70_000), tx.GetGas(), "gas used x 1.4")
	n.accepted[hash] = n.sequence
	n.sequence++
	return &txservice.BroadcastTxResponse{TxResponse: &sdk.TxResponse{TxHash: hash}}, nil
}

func (n *fakeNode) GetTx(_ context.Context, req *txservice.GetTxRequest) (*txservice.GetTxResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.getTxDown > 0 {
		n.getTxDown--
		return nil, status.Error(codes.Unavailable, "restarting")
	}
	sequence, ok := n.accepted[req.Hash]
	if n.asked[req.Hash]++; !ok || n.delay < 0 || n.asked[req.Hash] <= n.delay {
		return nil, status.Errorf(codes.NotFound, "tx not found: %s", req.Hash)
	}
	n.committed = max(n.committed, sequence+1)
	resp := &sdk.TxResponse{TxHash: req.Hash, Height: int64(100 + sequence), GasUsed: 50_000, Data: registered(n.t, uint32(sequence))}
	if n.inBlock != nil {
		resp.Codespace, resp.Code, resp.RawLog = n.inBlock.space, n.inBlock.code, n.inBlock.log
	}
	return &txservice.GetTxResponse{TxResponse: resp}, nil
}

// Subnets serves pages of two.
func (n *fakeNode) Subnets(_ context.Context, req *subnetv1.QuerySubnetsRequest) (*subnetv1.QuerySubnetsResponse, error) {
	start := len(strings.TrimSpace(string(req.Pagination.GetKey())))
	end := min(start+2, len(n.subnets))
	resp := &subnetv1.QuerySubnetsResponse{Subnets: n.subnets[start:end]}
	if end < len(n.subnets) {
		resp.Pagination = pageKey(strings.Repeat("x", end))
	}
	return resp, nil
}

// registered is the encoded answer to one MsgRegister.
func registered(t *testing.T, uid uint32) string {
	answer, err := codectypes.NewAnyWithValue(&subnetv1.MsgRegisterResponse{Uid: uid, Burned: 5})
	require.NoError(t, err)
	raw, err := proto.Marshal(&sdk.TxMsgData{MsgResponses: []*codectypes.Any{answer}})
	require.NoError(t, err)
	return hex.EncodeToString(raw)
}

func dial(t *testing.T, cfg Config) *Client {
	c, err := Dial(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func newSigner(t *testing.T) *Signer {
	network.ConfigureAddresses()
	kr, err := OpenKeyring(t.TempDir(), keyring.BackendTest, nil)
	require.NoError(t, err)
	_, _, err = kr.NewMnemonic("alice", keyring.English, sdk.FullFundraiserPath, "", hd.Secp256k1)
	require.NoError(t, err)
	s, err := NewSigner(kr, "alice")
	require.NoError(t, err)
	return s
}
