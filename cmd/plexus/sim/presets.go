package simcmd

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/sims/presets"
)

// preset is what is told of one.
type preset struct {
	Name      string        `json:"name"`
	Title     string        `json:"title"`
	About     string        `json:"about"`
	Certainty string        `json:"certainty"`
	Source    string        `json:"source"`
	Params    []presetParam `json:"params"`
}

type presetParam struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit"`
	Default float64 `json:"default"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Doc     string  `json:"doc"`
}

// presetCheck is a published figure beside the computed one.
type presetCheck struct {
	presets.Check
	Passes bool
}

func presetsCommand() *cobra.Command {
	var output string
	var check bool
	cmd := &cobra.Command{
		Use:   "presets",
		Short: "List the issuance of other networks, or check it against what is published",
		Example: `  plexus sim presets
  plexus sim presets --check`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			if output == outputMarkdown {
				return presetsPage(cmd)
			}
			if output != outputText && output != outputJSON {
				return fmt.Errorf("--output %q: want text, json or markdown", output)
			}
			if check {
				return checkPresets(cmd, output)
			}
			return listPresets(cmd, output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", outputText, "text, json, or markdown for the page docs/presets.md")
	cmd.Flags().BoolVar(&check, "check", false, "compute every published figure and say whether it agrees")
	return cmd
}

const outputMarkdown = "markdown"

func presetsPage(cmd *cobra.Command) error {
	checks, err := presets.Checks(cmd.Context())
	if err != nil {
		return err
	}
	return presets.WritePage(cmd.OutOrStdout(), checks)
}

func listPresets(cmd *cobra.Command, output string) error {
	var list []preset
	for _, p := range presets.All() {
		told := preset{Name: p.Name, Title: p.Title, About: p.About, Certainty: string(p.Certainty), Source: p.Source}
		for _, x := range p.Params {
			told.Params = append(told.Params, presetParam{x.Name, x.Unit, x.Default, x.Min, x.Max, x.Doc})
		}
		list = append(list, told)
	}
	if output == outputJSON {
		return writeJSON(cmd, list)
	}
	for _, p := range list {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n    from %s: %s\n", p.Name, p.About, p.Certainty, p.Source)
		for _, x := range p.Params {
			fmt.Fprintf(cmd.OutOrStdout(), "    %s = %s %s: %s\n", x.Name, strconv.FormatFloat(x.Default, 'g', -1, 64), x.Unit, x.Doc)
		}
	}
	return nil
}

func checkPresets(cmd *cobra.Command, output string) error {
	checks, err := presets.Checks(cmd.Context())
	if err != nil {
		return err
	}
	var list []presetCheck
	var rows [][]string
	failed := 0
	for _, c := range checks {
		list = append(list, presetCheck{c, c.Passes()})
		says := "agrees"
		if !c.Passes() {
			says = "DIFFERS"
			failed++
		}
		rows = append(rows, []string{c.Preset, c.Figure, c.Unit, strconv.FormatFloat(c.Published, 'g', 12, 64), strconv.FormatFloat(c.Computed, 'g', 12, 64), says})
	}
	if output == outputJSON {
		err = writeJSON(cmd, list)
	} else {
		err = tableTo(cmd.OutOrStdout(), []string{"preset", "figure", "unit", "published", "computed", ""}, rows)
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d figures differ from what is published", failed, len(checks))
	}
	return err
}
