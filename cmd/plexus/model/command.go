package modelcmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/tasks"
)

// DefaultFolder is where models are written and looked for when nobody says otherwise.
const DefaultFolder = "models"

// Command returns `plexus model`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "model",
		Short: "Train, measure, sample, quantize and calibrate models",
	}
	cmd.AddCommand(trainCommand(), evalCommand(), sampleCommand(), quantizeCommand(), calibrateCommand())
	return cmd
}

// taskList is how help lists the tasks: "digits, text, audio".
func taskList() string { return strings.Join(tasks.Names(), ", ") }

// allTasks is what --task takes for every task there is.
const allTasks = "all"

// tasksNamed returns the tasks that --task asks for, in the order of tasks.Names.
func tasksNamed(named []string) ([]string, error) {
	asked := map[string]bool{}
	for _, name := range named {
		asked[name] = true
	}
	var found []string
	for _, name := range tasks.Names() {
		if asked[name] || asked[allTasks] {
			found = append(found, name)
		}
		delete(asked, name)
	}
	delete(asked, allTasks)
	for _, name := range named {
		if asked[name] {
			return nil, fmt.Errorf("--task: %w: %q; there are %s, and %s for all of them", tasks.ErrTask, name, taskList(), allTasks)
		}
	}
	return found, nil
}

// seedFlag adds --seed, for commands that draw fresh challenges unless it is given.
func seedFlag(cmd *cobra.Command) *uint64 {
	return cmd.Flags().Uint64("seed", 0, "draw the challenges of this seed, to see the same ones again (default: new ones every time)")
}

// challengeSeeds returns the seed that --seed asks for within each task, or one of new randomness.
func challengeSeeds(cmd *cobra.Command, seed uint64) (func(task string) models.Seed, error) {
	if cmd.Flags().Changed("seed") {
		return func(task string) models.Seed { return models.FixedSeed(task, "command", seed) }, nil
	}
	random, err := models.RandomSeed()
	return func(string) models.Seed { return random }, err
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
