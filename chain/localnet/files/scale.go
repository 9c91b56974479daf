package files

import (
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// Scale returns params with every period that is counted in blocks shortened in
// the proportion of a shorter tempo, and never to nothing. Amounts and shares
// stay as they are: the economics of a test network are those of the real one,
// only its clock is faster. It needs a tempo of at least 1.
func Scale(params subnetv1.Params, tempo uint64) subnetv1.Params {
	h := &params.Defaults
	from := h.Tempo
	for _, period := range []*uint64{
		&params.LockInterval, &params.HyperparamsRateLimit, &params.HyperparamsFreeze, &params.RootWeightsRateLimit,
		&h.ImmunityPeriod, &h.ActivityCutoff, &h.WeightsRateLimit, &h.ServingRateLimit, &h.BurnHalfLife,
	} {
		*period = max(1, *period*tempo/from)
	}
	h.Tempo = tempo
	return params
}

// ScaleChannels does the same for the rules of payment channels, in the
// proportion of tempo to from, which is at least 1.
func ScaleChannels(params channelv1.Params, tempo, from uint64) channelv1.Params {
	for _, period := range []*uint64{&params.CloseDelay, &params.MaxDuration, &params.DemandWindow} {
		*period = max(1, *period*tempo/from)
	}
	return params
}
