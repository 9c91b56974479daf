package keeper

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"cosmossdk.io/collections"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// historyBytes is the size of one uid's part of an epoch record.
const historyBytes = 5*2 + 8

// remember stores what an epoch meant for every uid: one write, over the record
// that is max_history epochs old. After governance changed max_history, each
// subnet's ring takes its new size here, at its own next epoch.
func (k *Keeper) remember(ctx context.Context, params subnetv1.Params, s *subnetv1.Subnet, o subnetv1.Outcome) error {
	if s.HistorySize != params.MaxHistory {
		if err := k.resizeHistory(ctx, s, params.MaxHistory); err != nil {
			return err
		}
	}
	if s.HistorySize == 0 {
		return nil
	}
	return k.storeRecord(ctx, *s, subnetv1.EpochRecord{Epoch: s.Epochs, Height: o.Height, Neurons: packHistory(o)})
}

func (k *Keeper) storeRecord(ctx context.Context, s subnetv1.Subnet, r subnetv1.EpochRecord) error {
	return k.history.Set(ctx, collections.Join(s.Netuid, uint32(r.Epoch%uint64(s.HistorySize))), r)
}

func packHistory(o subnetv1.Outcome) []byte {
	packed := make([]byte, 0, historyBytes*len(o.Emission))
	for uid, emission := range o.Emission {
		for _, v := range [][]uint32{o.Incentive, o.Dividends, o.Consensus, o.Trust, o.ValidatorTrust} {
			packed = binary.BigEndian.AppendUint16(packed, uint16(at(v, uid)))
		}
		packed = binary.BigEndian.AppendUint64(packed, emission)
	}
	return packed
}

// entryOf reads one uid's part of a record. A uid that was not there yet has
// none.
func entryOf(r subnetv1.EpochRecord, uid uint32) (subnetv1.HistoryEntry, bool) {
	from := historyBytes * int(uid)
	if from+historyBytes > len(r.Neurons) {
		return subnetv1.HistoryEntry{}, false
	}
	b := r.Neurons[from:]
	return subnetv1.HistoryEntry{
		Height:         r.Height,
		Incentive:      uint32(binary.BigEndian.Uint16(b)),
		Dividends:      uint32(binary.BigEndian.Uint16(b[2:])),
		Consensus:      uint32(binary.BigEndian.Uint16(b[4:])),
		Trust:          uint32(binary.BigEndian.Uint16(b[6:])),
		ValidatorTrust: uint32(binary.BigEndian.Uint16(b[8:])),
		Emission:       binary.BigEndian.Uint64(b[10:]),
	}, true
}

// recordsOf returns the epoch records of a subnet, oldest first.
func (k *Keeper) recordsOf(ctx context.Context, netuid uint32) ([]subnetv1.EpochRecord, error) {
	it, err := k.history.Iterate(ctx, inSubnet(netuid))
	if err != nil {
		return nil, err
	}
	records, err := it.Values()
	slices.SortFunc(records, func(a, b subnetv1.EpochRecord) int { return cmp.Compare(a.Epoch, b.Epoch) })
	return records, err
}

// historyOf returns what the last epochs meant for whoever has the uid now,
// oldest first.
func (k *Keeper) historyOf(ctx context.Context, n subnetv1.Neuron, netuid uint32) ([]subnetv1.HistoryEntry, error) {
	records, err := k.recordsOf(ctx, netuid)
	if err != nil {
		return nil, err
	}
	var entries []subnetv1.HistoryEntry
	for _, r := range records {
		// A registration comes before the epoch of its own block.
		if r.Height < n.Registered {
			continue
		}
		if entry, found := entryOf(r, n.Uid); found {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// resizeHistory moves the records of a subnet to where a ring of another size
// looks for them, and forgets those it has no room for.
func (k *Keeper) resizeHistory(ctx context.Context, s *subnetv1.Subnet, size uint32) error {
	records, err := k.recordsOf(ctx, s.Netuid)
	if err != nil {
		return err
	}
	if err := k.history.Clear(ctx, inSubnet(s.Netuid)); err != nil {
		return err
	}
	s.HistorySize = size
	for _, r := range records[len(records)-min(len(records), int(size)):] {
		if err := k.storeRecord(ctx, *s, r); err != nil {
			return err
		}
	}
	return nil
}

func validateHistory(s subnetv1.GenesisSubnet) error {
	if len(s.History) > int(s.Subnet.HistorySize) {
		return fmt.Errorf("history has %d records, but history_size is %d", len(s.History), s.Subnet.HistorySize)
	}
	for i, r := range s.History {
		switch {
		case r.Epoch != s.Subnet.Epochs-uint64(len(s.History)-i):
			return fmt.Errorf("history: epoch %d at place %d of %d, but %d were run: the last ones must be listed, oldest first",
				r.Epoch, i, len(s.History), s.Subnet.Epochs)
		case len(r.Neurons)%historyBytes != 0:
			return fmt.Errorf("history: epoch %d has %d bytes, not a multiple of %d", r.Epoch, len(r.Neurons), historyBytes)
		}
	}
	return nil
}
