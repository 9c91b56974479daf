package onnx

import (
	"fmt"
	"slices"
	"strconv"

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
	Labels      map[string][]string // by output: the class that each column stands for, where the file says so
}

// Unsupported is an output that cannot be given as a tensor, and the reason.
type Unsupported struct {
	Name   string
	Reason string
}

// Inspect reads a model's file. It fails with ErrCorrupt for bytes that are no ONNX model and with ErrUnsupported,
// naming the part, for one that cannot be served: an input that is no tensor, weights kept outside the file, or no
// output that can be given as a tensor.
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

// checkSelfContained refuses weights that are kept in another file: the model's hash would not cover them, and the path
// they name is the model author's to choose.
func checkSelfContained(model *onnxpb.ModelProto) error {
	if err := checkGraph(model.GetGraph()); err != nil {
		return err
	}
	for _, f := range model.Functions {
		if err := checkNodes(f.Node); err != nil {
			return err
		}
	}
	return nil
}

func checkGraph(graph *onnxpb.GraphProto) error {
	for _, t := range graph.GetInitializer() {
		if err := checkTensor(t); err != nil {
			return err
		}
	}
	for _, t := range graph.GetSparseInitializer() {
		if err := checkTensor(t.GetValues()); err != nil {
			return err
		}
	}
	return checkNodes(graph.GetNode())
}

func checkNodes(nodes []*onnxpb.NodeProto) error {
	for _, n := range nodes {
		for _, a := range n.Attribute {
			if err := checkAttribute(a); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkAttribute(a *onnxpb.AttributeProto) error {
	for _, t := range append(slices.Clone(a.Tensors), a.T) {
		if err := checkTensor(t); err != nil {
			return err
		}
	}
	for _, g := range append(slices.Clone(a.Graphs), a.G) {
		if err := checkGraph(g); err != nil {
			return err
		}
	}
	return nil
}

func checkTensor(t *onnxpb.TensorProto) error {
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
