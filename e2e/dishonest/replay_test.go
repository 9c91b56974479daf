//go:build dishonest

package dishonest

import (
	"context"
	"os"
	"path/filepath"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/validator"
	"github.com/plexusnet/plexus/validator/replay"
	"github.com/plexusnet/plexus/validator/store"
)

// replay is an honest validator of the subnet that pins a model.
func (g *gang) replay(ctx context.Context) error {
	model, err := os.ReadFile(g.Pinned)
	if err != nil {
		return err
	}
	m, err := replay.New(ctx, g.rt, model, replay.Options{})
	if err != nil {
		return ended(ctx, err)
	}
	defer m.Close()
	chain, member, err := g.join(pinnedNetuid, replayer+"-hot", replayer, true)
	if err != nil {
		return err
	}
	id, err := g.identity(replayer + "-hot")
	if err != nil {
		return err
	}
	kept, err := store.Open(filepath.Join(g.Folder, "validator.db"))
	if err != nil {
		return err
	}
	defer kept.Close()
	shared := validator.NewShared(oip.Dialer{Identity: id}, nil, 0)
	defer shared.Close()
	options := validator.Options{RoundInterval: roundInterval, Deadline: roundInterval * 3 / 4, PollInterval: blockTime / 2, Challenges: m.Calibration().Challenges}
	return validator.Fleet{&validator.Validator{Member: member, Chain: chain, Mechanism: m, Book: kept.Book(pinnedNetuid, member.Hotkey),
		Shared: shared, Bind: true, Options: options, Log: g.log}}.Run(ctx)
}
