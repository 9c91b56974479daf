package modelcmd

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/models/quantize"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// integers is what --to calls the scheme that computes in 8-bit integers.
const integers = "int8"

// quantized is what `plexus model quantize` did.
type quantized struct {
	Scheme  quantize.Scheme `json:"scheme"`
	From    modelFile       `json:"from"`
	To      modelFile       `json:"to"`
	Weights int             `json:"weights"` // tensors that were rounded
	Nodes   int             `json:"nodes"`   // that compute in cheaper numbers
}

type modelFile struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Bytes  int    `json:"bytes"`
}

func fileOf(path string, data []byte) modelFile {
	sum := sha256.Sum256(data)
	return modelFile{Path: path, SHA256: hex.EncodeToString(sum[:]), Bytes: len(data)}
}

func quantizeCommand() *cobra.Command {
	var to string
	var force bool
	cmd := &cobra.Command{
		Use:   "quantize IN.onnx OUT.onnx",
		Short: "Rewrite a model to half floats or 8-bit integers",
		Long: `Write a model that takes and gives the same tensors and computes in cheaper numbers:

  fp16           the whole graph in half floats
  int8           products and convolutions in 8-bit integers, other matrices rounded to them (also called int8-dynamic)
  fp16-weights   weights rounded to half floats; computed, and kept, in 32 bits
  int8-weights   matrices rounded to 255 steps, one scale per tensor; likewise
  int8-channels  the same with one scale per output channel

The new model answers otherwise than the old: 'plexus model eval' shows how much that costs. A subnet that pins a model
refuses it, which 'plexus model calibrate' shows.`,
		Example: "  plexus model quantize models/digits-large/1/model.onnx digits-int8.onnx --to int8",
		Args:    cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&to, "to", "", "numbers to compute in: fp16, int8, fp16-weights, int8-weights or int8-channels")
	cmd.Flags().BoolVar(&force, "force", false, "replace OUT.onnx if it is there")
	output := outputFlag(cmd)
	cobra.CheckErr(cmd.MarkFlagRequired("to"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		scheme, err := schemeNamed(to)
		if err != nil {
			return fmt.Errorf("--to: %w", err)
		}
		done, err := quantizeFile(cmd, args[0], args[1], scheme, force)
		if err != nil {
			return err
		}
		if *output == "json" {
			return writeJSON(cmd.OutOrStdout(), done)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d tensors rounded, %d nodes compute in cheaper numbers, %d -> %d bytes\n%s  %s\n",
			done.Scheme, done.Weights, done.Nodes, done.From.Bytes, done.To.Bytes, done.To.SHA256, done.To.Path)
		return err
	}
	return cmd
}

func schemeNamed(name string) (quantize.Scheme, error) {
	if name == integers {
		return quantize.INT8Dynamic, nil
	}
	return quantize.ParseScheme(name)
}

func quantizeFile(cmd *cobra.Command, in, out string, scheme quantize.Scheme, force bool) (quantized, error) {
	model, err := readModel(in)
	if err != nil {
		return quantized{}, err
	}
	cheap, report, err := quantize.Apply(model, scheme)
	if err != nil {
		return quantized{}, fmt.Errorf("%s: %w", in, err)
	}
	if err := writeModel(out, cheap, force); err != nil {
		return quantized{}, err
	}
	if found := recurrent(model); scheme == quantize.FP16 && found != "" {
		cmd.PrintErrf("careful: the model has %s operators, which crash ONNX Runtime 1.27 in half floats on the CPU; fp16-weights is safe\n", found)
	}
	return quantized{Scheme: scheme, From: fileOf(in, model), To: fileOf(out, cheap), Weights: report.Weights, Nodes: report.Nodes}, nil
}

// recurrent names the recurrent operators of a model that has been read, in order.
func recurrent(model []byte) string {
	var m onnxpb.ModelProto
	if proto.Unmarshal(model, &m) != nil {
		return ""
	}
	var found []string
	eachNode(m.Graph, func(n *onnxpb.NodeProto) {
		if slices.Contains([]string{"LSTM", "GRU", "RNN"}, n.GetOpType()) {
			found = append(found, n.GetOpType())
		}
	})
	slices.Sort(found)
	return strings.Join(slices.Compact(found), " and ")
}

// eachNode visits the nodes of a graph and of graphs within it.
func eachNode(g *onnxpb.GraphProto, visit func(*onnxpb.NodeProto)) {
	for _, n := range g.GetNode() {
		visit(n)
		for _, a := range n.Attribute {
			eachNode(a.G, visit)
			for _, inner := range a.Graphs {
				eachNode(inner, visit)
			}
		}
	}
}
