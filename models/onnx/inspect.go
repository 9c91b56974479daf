package onnx

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/plexusnet/plexus/models"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// Info is what a model's file says about itself.
type Info struct {
	IRVersion int64
	Opsets    map[string]int64 // version by domain; ONNX's own domain is ""
	Producer  string
	Graph     string
	Metadata  map[string]string // metadata_props

	Inputs      []models.TensorSpec // in the graph's order, without those that the file gives a value for
	Outputs     []models.TensorSpec // those that can be given as tensors, in the graph's order
	Unsupported []Unsupported       // the other outputs
	External    []string            // files beside the model's that hold weights, relative to it, in order
	Labels      map[string][]string // by output: the class that each column stands for, where the file says so
}

// Unsupported is an output that cannot be given as a tensor, and the reason.
type Unsupported struct {
	Name   string
	Reason string
}

// Inspect reads a model's file. It fails with ErrCorrupt for bytes that are no ONNX model and with ErrUnsupported,
// naming the part, for one that cannot be served: an input that is no tensor, weights kept in a file that does not lie
// beside the model's or below it, or no output that can be given as a tensor.
func Inspect(data []byte) (*Info, error) {
	adapted, err := plan(data)
	if err != nil {
		return nil, err
	}
	return adapted.info, nil
}

func newInfo(model *onnxpb.ModelProto) *Info {
	info := &Info{
		IRVersion: model.GetIrVersion(),
		Opsets:    map[string]int64{},
		Producer:  model.GetProducerName(),
		Graph:     model.GetGraph().GetName(),
		Metadata:  map[string]string{},
		Labels:    map[string][]string{},
	}
	for _, o := range model.OpsetImport {
		domain := o.GetDomain()
		if domain == "ai.onnx" {
			domain = ""
		}
		info.Opsets[domain] = o.GetVersion()
	}
	for _, p := range model.MetadataProps {
		info.Metadata[p.GetKey()] = p.GetValue()
	}
	return info
}

// required returns the graph's inputs that the file gives no value for.
func required(graph *onnxpb.GraphProto) []*onnxpb.ValueInfoProto {
	given := map[string]bool{}
	for _, t := range graph.Initializer {
		given[t.GetName()] = true
	}
	for _, t := range graph.SparseInitializer {
		given[t.GetValues().GetName()] = true
	}
	return slices.DeleteFunc(slices.Clone(graph.Input), func(v *onnxpb.ValueInfoProto) bool { return given[v.GetName()] })
}

// external collects the files that hold weights of the graph and of graphs within it. The paths are the model author's to
// choose, so those that lead elsewhere are refused; so are weights of other places, which runtimes do not look for there.
type external map[string]bool

func externalOf(model *onnxpb.ModelProto) ([]string, error) {
	found := external{}
	if err := found.graph(model.GetGraph()); err != nil {
		return nil, err
	}
	for _, f := range model.Functions {
		if err := found.nodes(f.Node); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func (found external) graph(graph *onnxpb.GraphProto) error {
	for _, t := range graph.GetInitializer() {
		if err := found.weight(t); err != nil {
			return err
		}
	}
	for _, t := range graph.GetSparseInitializer() {
		if err := inside(t.GetValues()); err != nil {
			return err
		}
	}
	return found.nodes(graph.GetNode())
}

func (found external) nodes(nodes []*onnxpb.NodeProto) error {
	for _, n := range nodes {
		for _, a := range n.Attribute {
			if err := found.attribute(a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (found external) attribute(a *onnxpb.AttributeProto) error {
	for _, t := range append(slices.Clone(a.Tensors), a.T) {
		if err := inside(t); err != nil {
			return err
		}
	}
	for _, g := range append(slices.Clone(a.Graphs), a.G) {
		if err := found.graph(g); err != nil {
			return err
		}
	}
	return nil
}

// weight takes note of where an initializer is kept.
func (found external) weight(t *onnxpb.TensorProto) error {
	if inside(t) == nil {
		return nil
	}
	location := ""
	for _, e := range t.GetExternalData() {
		if e.GetKey() == "location" {
			location = e.GetValue()
		}
	}
	if !filepath.IsLocal(location) || strings.ContainsAny(location, "\\\x00") {
		return fmt.Errorf("%w: weight %q is kept in another file, %q, that does not lie beside the model", ErrUnsupported, t.GetName(), location)
	}
	found[filepath.Clean(location)] = true
	return nil
}

func inside(t *onnxpb.TensorProto) error {
	if t.GetDataLocation() == onnxpb.TensorProto_EXTERNAL || len(t.GetExternalData()) > 0 {
		return fmt.Errorf("%w: weight %q is kept in another file; save the model with its weights inside", ErrUnsupported, t.GetName())
	}
	return nil
}

// zipMapOf returns the ZipMap node that makes the output of that name, or nil.
func zipMapOf(graph *onnxpb.GraphProto, output string) *onnxpb.NodeProto {
	for _, n := range graph.Node {
		if n.GetOpType() == "ZipMap" && n.GetDomain() == "ai.onnx.ml" && slices.Contains(n.Output, output) && len(n.Input) == 1 {
			return n
		}
	}
	return nil
}

// zipMapLabels returns the classes that a ZipMap's keys stand for, in column order.
func zipMapLabels(zipMap *onnxpb.NodeProto) []string {
	var labels []string
	for _, a := range zipMap.Attribute {
		for _, n := range a.Ints {
			labels = append(labels, strconv.FormatInt(n, 10))
		}
		for _, s := range a.Strings {
			labels = append(labels, string(s))
		}
	}
	return labels
}
