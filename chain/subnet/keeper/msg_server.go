package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// maxNameBytes bounds the name of a subnet.
const maxNameBytes = 64

// MsgServer answers the module's transactions.
type MsgServer struct {
	*subnetv1.UnimplementedMsgServer
	k *Keeper
}

var _ subnetv1.MsgServer = MsgServer{}

// NewMsgServer returns the message service of a keeper.
func NewMsgServer(k *Keeper) MsgServer { return MsgServer{k: k} }

// CreateSubnet opens a subnet.
func (m MsgServer) CreateSubnet(ctx context.Context, msg *subnetv1.MsgCreateSubnet) (*subnetv1.MsgCreateSubnetResponse, error) {
	if len(msg.Name) == 0 || len(msg.Name) > maxNameBytes {
		return nil, ErrInvalidRequest.Wrapf("name has %d bytes, want 1 to %d", len(msg.Name), maxNameBytes)
	}
	netuid, lock, err := m.k.createSubnet(ctx, msg)
	if err != nil {
		return nil, err
	}
	return &subnetv1.MsgCreateSubnetResponse{Netuid: netuid, Lock: lock}, nil
}

// Register gives a hotkey a uid.
func (m MsgServer) Register(ctx context.Context, msg *subnetv1.MsgRegister) (*subnetv1.MsgRegisterResponse, error) {
	uid, burned, err := m.k.register(ctx, msg)
	if err != nil {
		return nil, err
	}
	return &subnetv1.MsgRegisterResponse{Uid: uid, Burned: burned}, nil
}

// Serve announces a neuron's endpoint.
func (m MsgServer) Serve(ctx context.Context, msg *subnetv1.MsgServe) (*subnetv1.MsgServeResponse, error) {
	s, err := m.k.subnet(ctx, msg.Netuid)
	if err != nil {
		return nil, err
	}
	uid, err := m.k.uidOf(ctx, msg.Netuid, msg.Hotkey)
	if err != nil {
		return nil, err
	}
	neuron, err := m.k.neurons.Get(ctx, rowKey(msg.Netuid, int(uid)))
	if err != nil {
		return nil, err
	}
	if wait := untilServe(s, neuron, height(ctx)); wait > 0 {
		return nil, ErrRateLimited.Wrapf("endpoint was announced at height %d, next in %d blocks", neuron.Endpoint.Height, wait)
	}
	if err := endpointOf(msg.Endpoint).Validate(); err != nil {
		return nil, refuse(err)
	}
	endpoint := msg.Endpoint
	endpoint.Height = height(ctx)
	neuron.Endpoint = &endpoint
	emitEvent(ctx, "serve", attr("netuid", msg.Netuid), attr("uid", uid), attr("model", endpoint.Model), attr("price", endpoint.Price))
	return &subnetv1.MsgServeResponse{}, m.k.neurons.Set(ctx, rowKey(msg.Netuid, int(uid)), neuron)
}

func endpointOf(e subnetv1.Endpoint) subnet.Endpoint {
	return subnet.Endpoint{
		Host: e.Host, Port: e.Port, Protocol: e.Protocol, TLSKeyHash: e.TlsKeyHash,
		Model: e.Model, ModelSHA256: e.ModelSha256, Price: e.Price,
	}
}

// untilServe returns after how many blocks a neuron may announce its endpoint
// again; the first announcement need not wait.
func untilServe(s subnetv1.Subnet, n subnetv1.Neuron, now uint64) uint64 {
	if n.Endpoint == nil {
		return 0
	}
	passed := now - min(n.Endpoint.Height, now)
	return s.Hyperparams.ServingRateLimit - min(passed, s.Hyperparams.ServingRateLimit)
}

// SetWeights stores a validator's opinion.
func (m MsgServer) SetWeights(ctx context.Context, msg *subnetv1.MsgSetWeights) (*subnetv1.MsgSetWeightsResponse, error) {
	s, err := m.k.subnet(ctx, msg.Netuid)
	if err != nil {
		return nil, err
	}
	uid, err := m.k.uidOf(ctx, msg.Netuid, msg.Hotkey)
	if err != nil {
		return nil, err
	}
	params, err := m.k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	hyper, err := HyperparamsFromProto(s.Hyperparams)
	if err != nil {
		return nil, err
	}
	if err := hyper.CheckScheme(subnet.CommitRevealOff); err != nil {
		return nil, refuseCommit(err)
	}
	author, err := m.k.author(ctx, msg.Netuid, uid, msg.Hotkey)
	if err != nil {
		return nil, err
	}
	opinion := subnet.Opinion{UIDs: msg.Uids, Values: msg.Values, Version: msg.Version}
	row, err := hyper.CheckWeights(params.StakeThreshold, int(s.Neurons), height(ctx), author, opinion)
	if err != nil {
		return nil, refuse(err)
	}
	emitEvent(ctx, "weights", attr("netuid", msg.Netuid), attr("uid", uid), attr("count", len(row)))
	return &subnetv1.MsgSetWeightsResponse{}, m.k.weights.Set(ctx, rowKey(msg.Netuid, int(uid)), packRow(row, height(ctx)))
}

// author gathers what the checks on weights ask about a neuron.
func (k *Keeper) author(ctx context.Context, netuid, uid uint32, hotkey string) (subnet.Author, error) {
	_, stake, err := k.stakeOf(ctx, hotkey)
	if err != nil {
		return subnet.Author{}, err
	}
	outcome, err := getOr(ctx, k.outcomes, netuid)
	if err != nil {
		return subnet.Author{}, err
	}
	last, err := k.row(ctx, k.weights, netuid, int(uid))
	if err != nil {
		return subnet.Author{}, err
	}
	committed, err := getOr(ctx, k.hidden.committed, rowKey(netuid, int(uid)))
	if err != nil {
		return subnet.Author{}, err
	}
	return subnet.Author{
		UID:     uint16(uid),
		Stake:   stake,
		Permit:  at(outcome.Permit, int(uid)),
		HasSet:  last.set || committed > 0,
		Updated: max(last.updated, committed),
	}, nil
}

// BindHotkey makes a validator's stake count for a hotkey, instead of for the
// hotkey it was bound to before.
func (m MsgServer) BindHotkey(ctx context.Context, msg *subnetv1.MsgBindHotkey) (*subnetv1.MsgBindHotkeyResponse, error) {
	account, err := m.k.accounts.AddressCodec().StringToBytes(msg.Operator)
	if err != nil {
		return nil, ErrInvalidRequest.Wrapf("operator %q: %v", msg.Operator, err)
	}
	operator, err := m.k.staking.ValidatorAddressCodec().BytesToString(account)
	if err != nil {
		return nil, ErrInvalidRequest.Wrapf("operator %q: %v", msg.Operator, err)
	}
	if _, found, err := m.k.validator(ctx, operator); err != nil || !found {
		if err == nil {
			err = ErrNoValidator.Wrapf("%s: create it first (plexus tx staking create-validator)", operator)
		}
		return nil, err
	}
	if err := m.k.claimHotkey(ctx, msg.Hotkey, msg.Operator); err != nil {
		return nil, err
	}
	if err := m.k.bind(ctx, msg.Hotkey, operator); err != nil {
		return nil, err
	}
	emitEvent(ctx, "bind", attr("hotkey", msg.Hotkey), attr("validator", operator))
	return &subnetv1.MsgBindHotkeyResponse{}, nil
}

func (k *Keeper) bind(ctx context.Context, hotkey, operator string) error {
	before, err := k.boundHotkeys.Get(ctx, operator)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	if err == nil {
		if err := k.bindings.Remove(ctx, before); err != nil {
			return err
		}
	}
	if err := k.bindings.Set(ctx, hotkey, operator); err != nil {
		return err
	}
	return k.boundHotkeys.Set(ctx, operator, hotkey)
}

// UpdateParams replaces the parameters.
func (m MsgServer) UpdateParams(ctx context.Context, msg *subnetv1.MsgUpdateParams) (*subnetv1.MsgUpdateParamsResponse, error) {
	if msg.Authority != m.k.authority {
		return nil, ErrUnauthorized.Wrapf("%s may not change the parameters, only %s: make a governance proposal", msg.Authority, m.k.authority)
	}
	if err := ValidateParams(msg.Params); err != nil {
		return nil, refuse(err)
	}
	if err := m.k.changeBeacon(ctx, msg.Params.Beacon); err != nil {
		return nil, err
	}
	return &subnetv1.MsgUpdateParamsResponse{}, m.k.params.Set(ctx, msg.Params)
}

// IsDuty tells whether a message is the daily work of a registered hotkey,
// which pays no fee: it is bounded by its rate limit instead. Source: protocol
// section 7.
func (k *Keeper) IsDuty(ctx context.Context, msg sdk.Msg) (bool, error) {
	switch m := msg.(type) {
	case *subnetv1.MsgServe:
		return k.uids.Has(ctx, collections.Join(m.Hotkey, m.Netuid))
	case *subnetv1.MsgSetWeights:
		return k.uids.Has(ctx, collections.Join(m.Hotkey, m.Netuid))
	case *subnetv1.MsgCommitWeights:
		return k.isCommitDuty(ctx, m.Netuid, m.Hotkey, m)
	case *subnetv1.MsgCommitHash:
		return k.isCommitDuty(ctx, m.Netuid, m.Hotkey, m)
	case *subnetv1.MsgSubmitPulse:
		return k.IsUsefulPulse(ctx, m)
	default:
		return false, nil
	}
}
