package keeper

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/consensus/fixed"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func rowKey(netuid uint32, uid int) uidKey { return collections.Join(netuid, uint32(uid)) }

// loadedRow is an unpacked row; its zero value stands for one never set.
type loadedRow struct {
	set     bool
	updated uint64
	row     consensus.Row
}

// row reads and unpacks one row of weights or bonds.
func (k *Keeper) row(ctx context.Context, rows collections.Map[uidKey, subnetv1.Row], netuid uint32, uid int) (loadedRow, error) {
	stored, err := rows.Get(ctx, rowKey(netuid, uid))
	if errors.Is(err, collections.ErrNotFound) {
		return loadedRow{}, nil
	}
	if err != nil {
		return loadedRow{}, err
	}
	row, err := unpackRow(stored)
	return loadedRow{set: true, updated: stored.Updated, row: row}, err
}

// rowsOf reads and unpacks the rows of a subnet's first n uids, by uid. It is one
// sweep over those that there are: most neurons have none, and looking for each
// alone is dear.
func (k *Keeper) rowsOf(ctx context.Context, rows collections.Map[uidKey, subnetv1.Row], netuid uint32, n int) ([]loadedRow, error) {
	loaded := make([]loadedRow, n)
	err := rows.Walk(ctx, inSubnet(netuid), func(key uidKey, stored subnetv1.Row) (bool, error) {
		uid := int(key.K2())
		if uid >= n {
			return false, nil
		}
		row, err := unpackRow(stored)
		if err != nil {
			return false, fmt.Errorf("uid %d: %w", uid, err)
		}
		loaded[uid] = loadedRow{set: true, updated: stored.Updated, row: row}
		return false, nil
	})
	return loaded, err
}

// u16s returns the stored form of a vector of proportions.
func u16s(v []fixed.I32F32) []uint32 {
	stored := make([]uint32, len(v))
	for i, u := range consensus.AppendU16(nil, v) {
		stored[i] = uint32(u)
	}
	return stored
}
