package metrics

import (
	"errors"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	servertypes "github.com/cosmos/cosmos-sdk/server/types"
)

// chain returns a prepared answer to every block.
type chain struct {
	servertypes.Application
	res *abci.ResponseFinalizeBlock
	err error
}

func (c chain) FinalizeBlock(*abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	return c.res, c.err
}

func event(kind string, pairs ...string) abci.Event {
	e := abci.Event{Type: kind}
	for i := 0; i < len(pairs); i += 2 {
		e.Attributes = append(e.Attributes, abci.EventAttribute{Key: pairs[i], Value: pairs[i+1]})
	}
	return e
}

func TestBlocksAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	res := &abci.ResponseFinalizeBlock{
		Events: []abci.Event{
			event("coinbase", "minter", "x", "amount", "1000000000nplx"),
			event("burn", "burner", "x", "amount", "7nplx"),
			event("subnet_epoch", "netuid", "3", "epoch", "9", "owner", "1800", "burned", "0", "carried", "2"),
			event("transfer", "amount", "5nplx"),
		},
		TxResults: []*abci.ExecTxResult{{Events: []abci.Event{event("subnet_register", "netuid", "3"), event("burn", "amount", "500nplx")}}},
	}
	o, err := Watch(chain{res: res}, reg)
	require.NoError(t, err)
	for range 2 {
		got, err := o.FinalizeBlock(nil)
		require.NoError(t, err)
		require.Same(t, res, got)
	}
	o.Application = chain{res: &abci.ResponseFinalizeBlock{}}
	_, err = o.FinalizeBlock(nil)
	require.NoError(t, err)

	require.Equal(t, map[string]float64{
		"plexus_minted_nplx_total":                               2e9,
		"plexus_burned_nplx_total":                               1014,
		"plexus_subnet_events_total epoch 3":                     2,
		"plexus_subnet_events_total register 3":                  2,
		"plexus_subnet_epoch_nplx_total 3 owner":                 3600,
		"plexus_subnet_epoch_nplx_total 3 burned":                0,
		"plexus_subnet_epoch_nplx_total 3 carried":               4,
		"plexus_block_execution_seconds true, how many of them":  2,
		"plexus_block_execution_seconds false, how many of them": 1,
	}, gathered(t, reg))
}

// gathered is every metric by its name and labels.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	all := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			if h := m.GetHistogram(); h != nil {
				all[name+", how many of them"] = float64(h.GetSampleCount())
				continue
			}
			all[name] = m.GetCounter().GetValue()
		}
	}
	return all
}

func TestABlockThatFailsIsNotCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	fault := errors.New("out of memory")
	o, err := Watch(chain{err: fault}, reg)
	require.NoError(t, err)
	_, err = o.FinalizeBlock(nil)
	require.ErrorIs(t, err, fault)
	require.Equal(t, map[string]float64{"plexus_minted_nplx_total": 0, "plexus_burned_nplx_total": 0}, gathered(t, reg))

	_, err = Watch(chain{}, reg)
	require.ErrorContains(t, err, "register the metrics")
}
