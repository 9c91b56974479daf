package scenario

import (
	"errors"
	"maps"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/economy"
	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/presets"
)

// Kind is a section that a model is made of.
type Kind struct {
	Section string
	Doc     string
	Config  any            // a value of the type that the section is decoded into, with its defaults, for paths and the schema
	Numbers []reflect.Type // struct types that may be given as a number alone
	// New makes the model of a section whose fields were checked. Errors about it wrap ErrScenario.
	New func(section *yaml.Node, t Time) (Built, error)
}

// Time is what a scenario says of time; zero spans say nothing.
type Time struct{ Duration, Every Span }

// Built is a model, and what is left to do about time.
type Built struct {
	Model   sims.Model
	Horizon float64          // simulated seconds of a run, 0 if unknown
	Every   experiment.Every // how the model's records are to be thinned
}

// Kinds are the sections of this program.
func Kinds() []Kind { return []Kind{Network(), Preset()} }

// Network is section network: the network itself, by package economy. A scenario's duration and record.every become
// its blocks and record_every, and may not be given beside them.
func Network() Kind {
	return Kind{
		Section: "network",
		Doc:     "the network: its rules, who takes part and what happens",
		Config:  economy.Default(),
		Numbers: []reflect.Type{reflect.TypeFor[economy.Dist]()},
		New:     newNetwork,
	}
}

func newNetwork(section *yaml.Node, t Time) (Built, error) {
	var cfg economy.Config
	if err := cfg.UnmarshalYAML(section); err != nil {
		return Built{}, networkFaults(section, err)
	}
	for _, x := range []struct {
		name, field string
		span        Span
		to          *uint64
	}{{"duration", "blocks", t.Duration, &cfg.Blocks}, {"record.every", "record_every", t.Every, &cfg.RecordEvery}} {
		if x.span.IsZero() {
			continue
		}
		if node := child(section, x.field); node != nil {
			return Built{}, fault(node, "network."+x.field, "%s says this already: give one of them", x.name)
		}
		*x.to = max(1, x.span.StepsOf(cfg.BlockSeconds))
	}
	model, err := economy.New(cfg)
	if err != nil {
		return Built{}, networkFaults(section, err)
	}
	return Built{Model: model, Horizon: float64(cfg.Blocks) * cfg.BlockSeconds}, nil
}

// networkFaults makes errors of package economy, a line each, which begin with the path of a field, into errors with
// the line of that field in the file.
func networkFaults(section *yaml.Node, err error) error {
	var all []error
	for text := range strings.SplitSeq(err.Error(), "\n") {
		path, message, found := strings.Cut(strings.TrimPrefix(text, economy.ErrConfig.Error()+": "), ": ")
		if !found {
			path, message = "", path
		}
		path, _, _ = strings.Cut(path, " (") // it may tell the line itself
		all = append(all, fault(deepest(section, path), join("network", path), "%s", message))
	}
	return errors.Join(all...)
}

// deepest returns the node of a path, as far as it is in the file.
func deepest(node *yaml.Node, path string) *yaml.Node {
	for key := range strings.SplitSeq(path, ".") {
		next := child(node, key)
		if i, err := strconv.Atoi(key); err == nil && node.Kind == yaml.SequenceNode && i >= 0 && i < len(node.Content) {
			next = node.Content[i]
		}
		if next == nil {
			break
		}
		node = next
	}
	return node
}

// Simple is a section that is decoded into a model as it is. Such a model has no use for a duration; its records are
// thinned to record.every.
func Simple[M sims.Model](section, doc string, defaults M) Kind {
	return Kind{Section: section, Doc: doc, Config: defaults, New: func(node *yaml.Node, t Time) (Built, error) {
		model := defaults
		if err := decode(node, reflect.ValueOf(&model).Elem(), section); err != nil {
			return Built{}, err
		}
		if !t.Duration.IsZero() {
			return Built{}, fault(nil, "duration", "section %s takes none", section)
		}
		return Built{Model: model, Every: experiment.Every{Steps: t.Every.Steps, Seconds: t.Every.Seconds}}, nil
	}}
}

// PresetConfig is section preset.
type PresetConfig struct {
	Name   string             `yaml:"name" doc:"which network: plexus sim presets lists them"`
	Params map[string]float64 `yaml:"params" doc:"its parameters, by name; those left out keep their defaults"`
}

// Preset is section preset: another network's issuance, by package presets. A scenario's duration becomes the
// parameter years, of 365 days, and its records are thinned to record.every.
func Preset() Kind {
	return Kind{Section: "preset", Doc: "another network's issuance", Config: PresetConfig{}, New: newPreset}
}

// presetYear is the year of package presets in seconds.
const presetYear = 365 * 86400

func newPreset(section *yaml.Node, t Time) (Built, error) {
	var cfg PresetConfig
	if err := decode(section, reflect.ValueOf(&cfg).Elem(), "preset"); err != nil {
		return Built{}, err
	}
	params := maps.Clone(cfg.Params)
	if !t.Duration.IsZero() {
		if node := child(section, "params"); node != nil && child(node, "years") != nil {
			return Built{}, fault(child(node, "years"), "preset.params.years", "duration says this already: give one of them")
		}
		if t.Duration.Steps > 0 {
			return Built{}, fault(nil, "duration", "%s: a preset takes a time, such as 10y", t.Duration)
		}
		if params == nil {
			params = map[string]float64{}
		}
		params["years"] = t.Duration.Seconds / presetYear
	}
	model, err := presets.New(cfg.Name, params)
	if err != nil {
		return Built{}, fault(section, "preset", "%v", err)
	}
	built := Built{Model: model, Every: experiment.Every{Steps: t.Every.Steps, Seconds: t.Every.Seconds}}
	p, err := presets.Get(cfg.Name)
	if err != nil {
		return Built{}, fault(section, "preset.name", "%v", err)
	}
	for _, param := range p.Params {
		if years, given := params["years"]; param.Name == "years" && given {
			built.Horizon = years * presetYear
		} else if param.Name == "years" {
			built.Horizon = param.Default * presetYear
		}
	}
	return built, nil
}
