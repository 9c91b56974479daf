package apptest

import (
	"bytes"
	"fmt"
	randv2 "math/rand/v2"
	"path/filepath"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client/flags"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"

	"github.com/plexusnet/plexus/chain/app"
	"github.com/plexusnet/plexus/chain/nodeconfig"
)

// kind is what an instance does besides running blocks.
type kind string

const (
	checking kind = "that checks transactions"
	plain    kind = "that checks nothing"
	crashing kind = "that crashes"
)

// instance is one application with its database.
type instance struct {
	kind kind
	cfg  Config
	db   dbm.DB
	app  *app.App

	untilCrash int // blocks
	bound      int // of untilCrash
	took       Took
}

// Took is how long a block took: to execute its transactions and what ends it,
// and to write the new state.
type Took struct{ Execute, Commit time.Duration }

func newInstance(k kind, cfg Config) (*instance, error) {
	in := &instance{kind: k, cfg: cfg, db: dbm.NewMemDB()}
	if cfg.Home != "" {
		db, err := dbm.NewDB("application", server.GetAppDBBackend(NodeOptions(cfg.Home)), filepath.Join(cfg.Home, "data"))
		if err != nil {
			return nil, fmt.Errorf("instance %s: %w", k, err)
		}
		in.db = db
	}
	return in, in.open()
}

// NodeOptions is what of the app.toml of a new node reaches its state.
func NodeOptions(home string) servertypes.AppOptions {
	settings := nodeconfig.Default()
	return simtestutil.AppOptionsMap{
		flags.FlagHome:                       home,
		flags.FlagChainID:                    ChainID,
		server.FlagPruning:                   settings.Pruning,
		server.FlagInterBlockCache:           settings.InterBlockCache,
		server.FlagIAVLCacheSize:             settings.IAVLCacheSize,
		server.FlagDisableIAVLFastNode:       settings.IAVLDisableFastNode,
		server.FlagMempoolMaxTxs:             settings.Mempool.MaxTxs,
		server.FlagStateSyncSnapshotInterval: settings.StateSync.SnapshotInterval,
	}
}

func (in *instance) open() error {
	options := []func(*baseapp.BaseApp){baseapp.SetChainID(ChainID)}
	if in.cfg.Home != "" {
		options = server.DefaultBaseappOptions(NodeOptions(in.cfg.Home))
	}
	if in.kind == checking && in.cfg.MinGasPrices != "" {
		options = append(options, baseapp.SetMinGasPrices(in.cfg.MinGasPrices))
	}
	a, err := app.New(log.NewNopLogger(), in.db, true, simtestutil.EmptyAppOptions{}, options...)
	if err != nil {
		return fmt.Errorf("instance %s: %w", in.kind, err)
	}
	in.app = a
	return nil
}

// initChain starts from a genesis. Modules panic on a bad one, as they should
// in a node; here it is an error.
func (in *instance) initChain(req *abci.RequestInitChain) (res *abci.ResponseInitChain, err error) {
	defer func() {
		if r := recover(); r != nil {
			if cause, ok := r.(error); ok {
				err = cause
				return
			}
			err = fmt.Errorf("genesis: %v", r)
		}
	}()
	return in.app.InitChain(req)
}

// run runs a block and commits it.
func (in *instance) run(req *abci.RequestFinalizeBlock, rng *randv2.Rand) (*abci.ResponseFinalizeBlock, error) {
	start := time.Now()
	res, err := in.app.FinalizeBlock(req)
	if err != nil {
		return nil, err
	}
	in.took.Execute = time.Since(start)
	crash := in.crashes(rng)
	// Before the first commit there is nothing to open again.
	if crash && in.app.LastBlockHeight() > 0 && rng.IntN(2) == 0 {
		if err := in.open(); err != nil {
			return nil, err
		}
		if res, err = in.app.FinalizeBlock(req); err != nil {
			return nil, fmt.Errorf("after a crash before the commit: %w", err)
		}
		crash = false
	}
	start = time.Now()
	if _, err := in.app.Commit(); err != nil {
		return nil, err
	}
	in.took.Commit = time.Since(start)
	if crash {
		return res, in.reopen(req.Height, res.AppHash)
	}
	return res, nil
}

// crashes decides whether the instance crashes in this block. Crashes become
// rarer, for every one costs as much as many blocks.
func (in *instance) crashes(rng *randv2.Rand) bool {
	if in.kind != crashing {
		return false
	}
	if in.bound == 0 {
		in.bound = firstCrash
		in.untilCrash = rng.IntN(in.bound)
	}
	if in.untilCrash > 0 {
		in.untilCrash--
		return false
	}
	in.bound *= 2
	in.untilCrash = rng.IntN(in.bound)
	return true
}

// reopen starts the application again from its database and compares where it
// is with where it was.
func (in *instance) reopen(height int64, hash []byte) error {
	if err := in.open(); err != nil {
		return err
	}
	if in.app.LastBlockHeight() != height || !bytes.Equal(in.app.LastCommitID().Hash, hash) {
		return fmt.Errorf("after a crash at height %d with app hash %X it is at height %d with %X",
			height, hash, in.app.LastBlockHeight(), in.app.LastCommitID().Hash)
	}
	return nil
}

// storedBytes sums up the keys and values of the database.
func (in *instance) storedBytes() (uint64, error) {
	it, err := in.db.Iterator(nil, nil)
	if err != nil {
		return 0, err
	}
	defer it.Close()
	size := uint64(0)
	for ; it.Valid(); it.Next() {
		size += uint64(len(it.Key()) + len(it.Value()))
	}
	return size, it.Error()
}

// addressOf returns the consensus address of a validator.
func addressOf(v abci.ValidatorUpdate) []byte {
	key, err := cryptocodec.FromCmtProtoPublicKey(v.PubKey)
	if err != nil {
		panic(err) // the application itself sent it
	}
	return key.Address()
}
