package localnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/plexusnet/plexus/subnet"
)

// What a zero option means.
const (
	DefaultBlockTime    = time.Second
	DefaultTempo        = 10
	DefaultStartTimeout = 3 * time.Minute
	DefaultChainID      = "plexus-local"
)

// Options say how a local network runs.
type Options struct {
	// Dir is the folder of the network: homes, keys, models, logs. It is made
	// when missing and must not hold an earlier network.
	Dir string
	// Binary is the program that plays all roles. Empty: the running one.
	Binary string
	// Out takes progress and tables; nil: nobody. With Live it is a terminal,
	// in which the table is drawn over and over in the same place; Width asks
	// how many columns it has.
	Out   io.Writer
	Live  bool
	Width func() int

	BlockTime time.Duration // 0: DefaultBlockTime
	Tempo     uint64        // blocks per epoch; 0: DefaultTempo
	// Epochs ends the run after so many epochs in which miners were paid; 0:
	// it runs until its context ends.
	Epochs int
	// StartTimeout bounds the time until miners are paid for the first time.
	StartTimeout time.Duration // 0: DefaultStartTimeout
	// Restart names processes that are started again when they die.
	Restart []string
	// Library is ONNX Runtime's shared library. Empty: searched, and fetched if
	// it is nowhere.
	Library string
	// ModelCache keeps trained models between runs.
	ModelCache string
	// Seed is that of the models and of the images that they are measured on.
	Seed uint64
	// Kill, when it ends, kills all processes at once. Nil: never.
	Kill context.Context
	// Started, if not nil, is told once where everything is, before anything
	// runs.
	Started func(Places)
}

// minTempo leaves a validator the time to be asked for weights between two
// epochs.
const minTempo = 4

func (o Options) withDefaults() Options {
	if o.BlockTime == 0 {
		o.BlockTime = DefaultBlockTime
	}
	if o.Tempo == 0 {
		o.Tempo = DefaultTempo
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = DefaultStartTimeout
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Width == nil {
		o.Width = func() int { return 0 }
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.BlockTime < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("block time %s: want 100ms or more", o.BlockTime))
	}
	if o.Tempo < minTempo || o.Tempo > subnet.MaxTempo {
		errs = append(errs, fmt.Errorf("tempo %d: want %d to %d blocks", o.Tempo, minTempo, subnet.MaxTempo))
	}
	if o.Epochs < 0 {
		errs = append(errs, fmt.Errorf("%d epochs: want 0 (no end) or more", o.Epochs))
	}
	for _, name := range o.Restart {
		if !slices.Contains(processNames(), name) {
			errs = append(errs, fmt.Errorf("restart %q: there is no such process, but %v", name, processNames()))
		}
	}
	return errors.Join(errs...)
}
