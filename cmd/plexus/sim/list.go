package simcmd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/sims/scenario"
)

// listed is one scenario that comes along.
type listed struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`        // the section of its model
	Experiments []string `json:"experiments"` // what it can be used for
	Description string   `json:"description"`
}

func listCommand(s Settings) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the scenarios that come along",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			list, err := scenarios(s.Kinds)
			if err != nil {
				return err
			}
			switch output {
			case outputJSON:
				return writeJSON(cmd, list)
			case outputText:
				var rows [][]string
				for _, l := range list {
					rows = append(rows, []string{l.Name, strings.Join(l.Experiments, ","), firstSentence(l.Description)})
				}
				return tableTo(cmd.OutOrStdout(), []string{"name", "for", "asks"}, rows)
			}
			return fmt.Errorf("--output %q: want text or json", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", outputText, "text or json")
	return cmd
}

func scenarios(kinds []scenario.Kind) ([]listed, error) {
	examples, err := library()
	if err != nil {
		return nil, err
	}
	var list []listed
	for _, e := range examples {
		s, err := scenario.Parse(e.Name+".yaml", e.Content, kinds...)
		if err != nil {
			return nil, err
		}
		l := listed{Name: e.Name, Kind: s.Kind, Experiments: []string{"run"}, Description: s.Description}
		if s.Sweep != nil {
			l.Experiments = append(l.Experiments, "sweep")
		}
		if s.Compare != nil {
			l.Experiments = append(l.Experiments, "compare")
		}
		if s.Sensitivity != nil {
			l.Experiments = append(l.Experiments, "sensitivity")
		}
		list = append(list, l)
	}
	return list, nil
}

// firstSentence of a description, in one line.
func firstSentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if i := strings.IndexAny(text, ".?:"); i >= 0 {
		return text[:i+1]
	}
	return text
}

func showCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "Print a scenario that comes along, to begin one's own with",
		Example: "  plexus sim show halving > question.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			all, err := library()
			if err != nil {
				return err
			}
			i := slices.IndexFunc(all, func(e scenario.Example) bool { return e.Name == args[0] })
			if i < 0 {
				return fmt.Errorf("no scenario %q: want one of %s", args[0], namesOf(all))
			}
			_, err = cmd.OutOrStdout().Write(all[i].Content)
			return err
		},
	}
}

func schemaCommand(s Settings) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "schema [PATH]",
		Short: "List the fields of scenarios, all of them or those below a path",
		Example: `  plexus sim schema
  plexus sim schema network.hyperparams
  plexus sim schema --output json > scenario.schema.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			switch output {
			case outputJSON:
				return writeJSON(cmd, scenario.JSONSchema(s.Kinds...))
			case outputText:
				below := ""
				if len(args) > 0 {
					below = args[0]
				}
				return printSchema(cmd, scenario.Describe(s.Kinds...), below)
			}
			return fmt.Errorf("--output %q: want text or json", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", outputText, "text, or json for a JSON schema that editors understand")
	return cmd
}

func printSchema(cmd *cobra.Command, fields []scenario.FieldDoc, below string) error {
	found := false
	for _, f := range fields {
		if f.Path != below && below != "" && !strings.HasPrefix(f.Path, below+".") && !strings.HasPrefix(f.Path, below+"[]") {
			continue
		}
		found = true
		text := fmt.Sprintf("%s (%s", f.Path, f.Type)
		if f.Default != "" {
			text += ", " + f.Default
		}
		fmt.Fprintln(cmd.OutOrStdout(), text+")")
		if f.Doc != "" {
			fmt.Fprintln(cmd.OutOrStdout(), "    "+f.Doc)
		}
	}
	if !found {
		return fmt.Errorf("no field %q: lists are written as in network.miners[].count", below)
	}
	return nil
}

func writeJSON(cmd *cobra.Command, value any) error {
	encoder := json.NewEncoder(cmd.OutOrStdout())
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
