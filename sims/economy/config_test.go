package economy

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/plexusnet/plexus/subnet"
)

func parse(t *testing.T, text string) (Config, error) {
	t.Helper()
	var c Config
	err := yaml.Unmarshal([]byte(text), &c)
	return c, err
}

func TestAnEmptyConfigurationIsTheDefault(t *testing.T) {
	c, err := parse(t, "{}")
	require.NoError(t, err)
	require.Equal(t, Default(), c)
	require.NoError(t, c.Validate())
}

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	c, err := parse(t, `
hyperparams: {kappa: 40000}
subnets:
  - count: 2
  - hyperparams: {tempo: 100, max_uids: 64}
    value: 3
miners:
  - count: 5
    quality: 0.9
    power: {dist: uniform, min: 1, max: 2}
callers: [{requests: {mean: 7}}]
blocks: 1e6
`)
	require.NoError(t, err)
	require.EqualValues(t, 1_000_000, c.Blocks)
	require.EqualValues(t, 40000, c.Subnets[0].Hyperparams.Kappa)
	require.EqualValues(t, 40000, c.Subnets[1].Hyperparams.Kappa)
	require.EqualValues(t, 100, c.Subnets[1].Hyperparams.Tempo)
	require.EqualValues(t, 360, c.Subnets[0].Hyperparams.Tempo)
	require.Equal(t, Fixed(0.9), c.Miners[0].Quality)
	require.Equal(t, Dist{Kind: DistUniform, Min: 1, Max: 2}, c.Miners[0].Power)
	require.Equal(t, Dist{Kind: DistLognormal, Mean: 7, SD: 1000}, c.Callers[0].Requests)
	require.Equal(t, Fixed(200), c.Miners[0].Balance)
	require.NoError(t, c.Validate())
}

func TestErrorsNameThePath(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown field", "miners: [{qualty: 1}]", "miners.0.qualty"},
		{"unknown hyperparameter", "subnets: [{}, {hyperparams: {tempoo: 1}}]", "subnets.1.hyperparams.tempoo"},
		{"wrong type", "price: {start: dear}", "price.start"},
		{"too large for its field", "hyperparams: {kappa: 70000}", "hyperparams.kappa"},
		{"fraction of a block", "blocks: 1.5", "blocks"},
		{"no list", "miners: 3", "miners"},
		{"twice", "price: {start: 1, start: 2}", "price"},
		{"unknown field of a distribution", "miners: [{quality: {meen: 1}}]", "miners.0.quality.meen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestValuesOutOfRangeNameThePath(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"split", "protocol: {owner_bps: 1}", "protocol"},
		{"hyperparameter", "subnets: [{hyperparams: {kappa: 0}}]", "subnets.0.hyperparams"},
		{"quality", "miners: [{quality: 2}]", "miners.0.quality"},
		{"subnet that is not there", "miners: [{subnets: [1]}]", "miners.0.subnets.0"},
		{"strategy", "validators: [{strategy: kind}]", "validators.0.strategy"},
		{"same name twice", "miners: [{name: a}, {name: a}]", `"a"`},
		{"no such group", "shocks: [{leave: nobody}]", "shocks.0.leave"},
		{"no such parameter", "shocks: [{set: {price.nothing: 1}}]", "price.nothing"},
		{"fixed parameter", "shocks: [{set: {miners.0.count: 1}}]", "miners.0.count"},
		{"value out of range by a shock", "shocks: [{set: {hyperparams.kappa: 0}}]", "kappa"},
		{"more neurons than uids", "miners: [{count: 300}]", "max_uids"},
		{"nothing to simulate", "blocks: 0", "blocks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := parse(t, c.text)
			require.NoError(t, err)
			_, err = New(cfg)
			require.ErrorIs(t, err, ErrConfig)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestConfigurationsSurviveBeingWritten(t *testing.T) {
	c := Default()
	c.Subnets[0].Hyperparams.MaxUIDs = 77
	c.Callers = []CallerGroup{DefaultCallers()}
	text, err := yaml.Marshal(c)
	require.NoError(t, err)
	require.Contains(t, string(text), "max_uids: 77")
	again, err := parse(t, string(text))
	require.NoError(t, err)
	c.Hyperparams = Hyperparams(subnet.DefaultHyperparams())
	c.Validators[0].Subnets, again.Validators[0].Subnets = nil, nil
	c.Miners[0].Subnets, again.Miners[0].Subnets = nil, nil
	c.Callers[0].Subnets, again.Callers[0].Subnets = nil, nil
	c.Shocks, again.Shocks = nil, nil
	require.Equal(t, c, again)
}
