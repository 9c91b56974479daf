package keeper

import (
	"context"

	"github.com/plexusnet/plexus/consensus"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// maxNameBytes bounds the name of a subnet.
const maxNameBytes = 64

// MsgServer answers the module's transactions.
type MsgServer struct {
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
	neuron, err := m.k.checkServe(ctx, msg)
	if err != nil {
		return nil, err
	}
	endpoint := msg.Endpoint
	endpoint.Height = height(ctx)
	neuron.Endpoint = &endpoint
	emitEvent(ctx, "serve", attr("netuid", msg.Netuid), attr("uid", neuron.Uid), attr("model", endpoint.Model),
		attr("price", endpoint.Price), attr("price_input_kib", endpoint.PriceInputKib),
		attr("price_output_kib", endpoint.PriceOutputKib), attr("price_compute_second", endpoint.PriceComputeSecond))
	return &subnetv1.MsgServeResponse{}, m.k.neurons.Set(ctx, rowKey(msg.Netuid, int(neuron.Uid)), neuron)
}

// checkServe decides whether a neuron may announce an endpoint now, and returns
// the neuron.
func (k *Keeper) checkServe(ctx context.Context, msg *subnetv1.MsgServe) (subnetv1.Neuron, error) {
	s, err := k.subnet(ctx, msg.Netuid)
	if err != nil {
		return subnetv1.Neuron{}, err
	}
	uid, err := k.uidOf(ctx, msg.Netuid, msg.Hotkey)
	if err != nil {
		return subnetv1.Neuron{}, err
	}
	neuron, err := k.neurons.Get(ctx, rowKey(msg.Netuid, int(uid)))
	if err != nil {
		return neuron, err
	}
	if wait := untilServe(s, neuron, height(ctx)); wait > 0 {
		return neuron, ErrRateLimited.Wrapf("endpoint was announced at height %d, next in %d blocks", neuron.Endpoint.Height, wait)
	}
	return neuron, refuse(endpointOf(msg.Endpoint).Validate())
}

func endpointOf(e subnetv1.Endpoint) subnet.Endpoint {
	return subnet.Endpoint{
		Host: e.Host, Port: e.Port, Protocol: e.Protocol, TLSKeyHash: e.TlsKeyHash,
		Model: e.Model, ModelSHA256: e.ModelSha256, Price: e.Price,
		InputPrice: e.PriceInputKib, OutputPrice: e.PriceOutputKib, ComputePrice: e.PriceComputeSecond,
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
	uid, row, err := m.k.checkWeights(ctx, msg)
	if err != nil {
		return nil, err
	}
	emitEvent(ctx, "weights", attr("netuid", msg.Netuid), attr("uid", uid), attr("count", len(row)))
	return &subnetv1.MsgSetWeightsResponse{}, m.k.weights.Set(ctx, rowKey(msg.Netuid, int(uid)), packRow(row, height(ctx)))
}

// checkWeights decides whether a neuron may set these weights now, and returns
// its uid and the row to store.
func (k *Keeper) checkWeights(ctx context.Context, msg *subnetv1.MsgSetWeights) (uint32, consensus.Row, error) {
	s, err := k.subnet(ctx, msg.Netuid)
	if err != nil {
		return 0, nil, err
	}
	uid, err := k.uidOf(ctx, msg.Netuid, msg.Hotkey)
	if err != nil {
		return 0, nil, err
	}
	params, err := k.params.Get(ctx)
	if err != nil {
		return 0, nil, err
	}
	hyper, err := HyperparamsFromProto(s.Hyperparams)
	if err != nil {
		return 0, nil, err
	}
	if err := hyper.CheckScheme(subnet.CommitRevealOff); err != nil {
		return 0, nil, refuse(err)
	}
	author, err := k.author(ctx, s, uid, msg.Hotkey)
	if err != nil {
		return 0, nil, err
	}
	opinion := subnet.Opinion{UIDs: msg.Uids, Values: msg.Values, Version: msg.Version}
	row, err := hyper.CheckWeights(params.StakeThreshold, int(s.Neurons), height(ctx), author, opinion)
	return uid, row, refuse(err)
}

// author gathers what the checks on weights ask about a neuron.
func (k *Keeper) author(ctx context.Context, s subnetv1.Subnet, uid uint32, hotkey string) (subnet.Author, error) {
	_, stake, err := k.stakeOf(ctx, hotkey)
	if err != nil {
		return subnet.Author{}, err
	}
	outcome, err := getOr(ctx, k.outcomes, s.Netuid)
	if err != nil {
		return subnet.Author{}, err
	}
	last, err := k.row(ctx, k.weights, s.Netuid, int(uid))
	if err != nil {
		return subnet.Author{}, err
	}
	vacant, err := k.vacantUIDs(ctx, s)
	if err != nil {
		return subnet.Author{}, err
	}
	committed, err := getOr(ctx, k.hidden.committed, rowKey(s.Netuid, int(uid)))
	if err != nil {
		return subnet.Author{}, err
	}
	return subnet.Author{
		UID:     uint16(uid),
		Stake:   stake,
		Permit:  at(outcome.Permit, int(uid)),
		HasSet:  last.set || committed > 0,
		Updated: max(last.updated, committed),
		Vacant:  vacant,
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
	if err := m.k.claimHotkey(ctx, claim{msg.Hotkey, msg.Operator, msg.HotkeyProof}); err != nil {
		return nil, err
	}
	if err := m.k.bind(ctx, msg.Hotkey, operator); err != nil {
		return nil, err
	}
	emitEvent(ctx, "bind", attr("hotkey", msg.Hotkey), attr("validator", operator))
	return &subnetv1.MsgBindHotkeyResponse{}, nil
}

// bind gives a validator's stake to one hotkey only, and a hotkey the stake of
// one validator. A hotkey that loses its stake loses its root weights with it.
func (k *Keeper) bind(ctx context.Context, hotkey, operator string) error {
	before, err := getOr(ctx, k.boundHotkeys, operator)
	if err != nil {
		return err
	}
	if before != "" && before != hotkey {
		if err := k.bindings.Remove(ctx, before); err != nil {
			return err
		}
		if err := k.rootWeights.Remove(ctx, before); err != nil {
			return err
		}
	}
	elsewhere, err := getOr(ctx, k.bindings, hotkey)
	if err != nil {
		return err
	}
	if elsewhere != "" && elsewhere != operator {
		if err := k.boundHotkeys.Remove(ctx, elsewhere); err != nil {
			return err
		}
	}
	if err := k.bindings.Set(ctx, hotkey, operator); err != nil {
		return err
	}
	return k.boundHotkeys.Set(ctx, operator, hotkey)
}

// TransferSubnet gives a subnet to another account.
func (m MsgServer) TransferSubnet(ctx context.Context, msg *subnetv1.MsgTransferSubnet) (*subnetv1.MsgTransferSubnetResponse, error) {
	return &subnetv1.MsgTransferSubnetResponse{}, m.k.transferSubnet(ctx, msg)
}

// RemoveSubnet ends a subnet.
func (m MsgServer) RemoveSubnet(ctx context.Context, msg *subnetv1.MsgRemoveSubnet) (*subnetv1.MsgRemoveSubnetResponse, error) {
	s, err := m.k.ruledBy(ctx, msg.Netuid, msg.Sender)
	if err != nil {
		return nil, err
	}
	returned, burned, err := m.k.removeSubnet(ctx, s)
	return &subnetv1.MsgRemoveSubnetResponse{Returned: returned, Burned: burned}, err
}

// SetHyperparams changes the rules of a subnet.
func (m MsgServer) SetHyperparams(ctx context.Context, msg *subnetv1.MsgSetHyperparams) (*subnetv1.MsgSetHyperparamsResponse, error) {
	return &subnetv1.MsgSetHyperparamsResponse{}, m.k.setHyperparams(ctx, msg)
}

// Deregister gives up a uid.
func (m MsgServer) Deregister(ctx context.Context, msg *subnetv1.MsgDeregister) (*subnetv1.MsgDeregisterResponse, error) {
	return &subnetv1.MsgDeregisterResponse{}, m.k.deregister(ctx, msg)
}

// SwapHotkey moves everything that a hotkey has to a new one.
func (m MsgServer) SwapHotkey(ctx context.Context, msg *subnetv1.MsgSwapHotkey) (*subnetv1.MsgSwapHotkeyResponse, error) {
	return &subnetv1.MsgSwapHotkeyResponse{}, m.k.swapHotkey(ctx, msg)
}

// SwapColdkey moves everything that a coldkey owns here to another.
func (m MsgServer) SwapColdkey(ctx context.Context, msg *subnetv1.MsgSwapColdkey) (*subnetv1.MsgSwapColdkeyResponse, error) {
	return &subnetv1.MsgSwapColdkeyResponse{}, m.k.swapColdkey(ctx, msg)
}

// SetIdentity says who an account or a subnet is.
func (m MsgServer) SetIdentity(ctx context.Context, msg *subnetv1.MsgSetIdentity) (*subnetv1.MsgSetIdentityResponse, error) {
	return &subnetv1.MsgSetIdentityResponse{}, m.k.setIdentity(ctx, msg)
}

// SetRootWeights stores a validator's opinion of what the subnets are worth.
func (m MsgServer) SetRootWeights(ctx context.Context, msg *subnetv1.MsgSetRootWeights) (*subnetv1.MsgSetRootWeightsResponse, error) {
	return &subnetv1.MsgSetRootWeightsResponse{}, m.k.setRootWeights(ctx, msg)
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
	emitEvent(ctx, "params", attr("by", msg.Authority))
	return &subnetv1.MsgUpdateParamsResponse{}, m.k.params.Set(ctx, msg.Params)
}
