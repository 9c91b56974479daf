package consensuscmd

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/plexusnet/plexus/consensus/vectors"
	"github.com/spf13/cobra"
)

func runCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "run FILE.json",
		Short: "Run a vector file and print every output of every epoch",
		Long: `Run reads a file of params and ordered steps (- for standard input), executes the steps and prints the outputs of
every epoch as JSON: vectors as stored (u16), amounts, bonds as [uid, value] rows, and the raw 32.32 bits.`,
		Example: "  plexus consensus run consensus/testdata/test_bonds.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "json" && output != "jsonl" {
				return fmt.Errorf("--output %q: want json (one document) or jsonl (one epoch per line)", output)
			}
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			return runVectors(in, cmd.OutOrStdout(), output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "json", "json: one document, jsonl: one epoch per line")
	return cmd
}

func runVectors(in io.Reader, out io.Writer, output string) error {
	script, err := vectors.Parse(in)
	if err != nil {
		return err
	}
	epochs, err := script.Run()
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	if output == "jsonl" {
		for _, epoch := range epochs {
			if err := enc.Encode(epoch); err != nil {
				return err
			}
		}
		return nil
	}
	enc.SetIndent("", " ")
	return enc.Encode(struct {
		Name   string          `json:"name"`
		Epochs []vectors.Epoch `json:"epochs"`
	}{script.Name, epochs})
}
