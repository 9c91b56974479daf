package modelcmd

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/models/digits"
)

// DefaultFolder is where models are written and looked for when nobody says otherwise.
const DefaultFolder = "models"

// Command returns `plexus model`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "model",
		Short: "Train, measure and sample models of the digits task",
	}
	cmd.AddCommand(trainCommand(), evalCommand(), sampleCommand())
	return cmd
}

// seedFlag adds --seed, for commands that draw fresh images unless it is given.
func seedFlag(cmd *cobra.Command) *uint64 {
	return cmd.Flags().Uint64("seed", 0, "draw the images of this seed, to see the same ones again (default: new ones every time)")
}

// challengeSeed returns the seed that --seed asks for, or one of new randomness.
func challengeSeed(cmd *cobra.Command, seed uint64) (digits.Seed, error) {
	if cmd.Flags().Changed("seed") {
		return digits.FixedSeed("command", seed), nil
	}
	return digits.RandomSeed()
}

// outputFlag adds --output.
func outputFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("output", "o", "text", "format of the result: text or json")
}

func checkOutput(output string) error {
	if output == "text" || output == "json" {
		return nil
	}
	return fmt.Errorf("--output %q: want text or json", output)
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
