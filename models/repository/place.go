package repository

import (
	"errors"
	"fmt"

	"github.com/plexusnet/plexus/models/gpu"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/proto/inference"
)

// Machine is what models may be placed on beyond the providers of Options.Session.
type Machine struct {
	GPUs  []gpu.Device
	NoGPU error // why there are none
}

// place returns the options of a session, with the devices that the configuration's instance groups name. A GPU that is
// named and cannot be used is an error that wraps ort.ErrProvider.
func (c *Config) place(rt *ort.Runtime, machine Machine, options ort.Options) (ort.Options, error) {
	if c == nil || len(c.Message.InstanceGroup) == 0 {
		return options, nil
	}
	given := options.Providers
	if len(given) == 0 {
		given = []ort.Provider{{Kind: ort.CPU}}
	}
	options.Providers = nil
	seen := map[string]bool{}
	for _, group := range c.Message.InstanceGroup {
		wanted, err := devicesOf(group, given, machine)
		if err != nil {
			return options, err
		}
		for _, want := range wanted {
			settled, _, err := rt.Choose(want, machine.GPUs, machine.NoGPU)
			if err != nil {
				return options, fmt.Errorf("instance_group %s: %w", group.Kind, err)
			}
			if seen[settled.String()] {
				return options, fmt.Errorf("%w: instance_group: %s is named twice; give it one count", ErrConfig, settled)
			}
			seen[settled.String()] = true
			options.Providers = append(options.Providers, settled)
		}
		if group.Count > 0 {
			options.MaxRuns = max(options.MaxRuns, int(group.Count))
		}
	}
	return options, nil
}

// devicesOf returns the providers that a group asks for, to be settled.
func devicesOf(group *inference.ModelInstanceGroup, given []ort.Provider, machine Machine) ([]ort.Provider, error) {
	kind := group.Kind
	if kind == inference.ModelInstanceGroup_KIND_AUTO && len(group.Gpus) > 0 {
		kind = inference.ModelInstanceGroup_KIND_GPU
	}
	switch kind {
	case inference.ModelInstanceGroup_KIND_CPU:
		return []ort.Provider{{Kind: ort.CPU}}, nil
	case inference.ModelInstanceGroup_KIND_GPU:
		like := ort.Provider{Kind: ort.CUDA}
		for _, p := range given {
			if p.Kind == ort.TensorRT || p.Kind == ort.CUDA {
				like = p // with what the operator has said of rounding and of falling back
			}
		}
		var all []ort.Provider
		for _, n := range group.Gpus {
			like.Device = int(n)
			all = append(all, like)
		}
		if len(group.Gpus) > 0 {
			return all, nil
		}
		for _, d := range machine.GPUs {
			like.Device = d.Index
			all = append(all, like)
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("instance_group KIND_GPU: %w", errors.Join(ort.ErrProvider, machine.NoGPU))
		}
		return all, nil
	default:
		return given, nil
	}
}
