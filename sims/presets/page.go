package presets

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WritePage writes the presets and their checks as the page docs/presets.md.
func WritePage(w io.Writer, checks []Check) error {
	page := &strings.Builder{}
	page.WriteString(pageHead)
	writeChecks(page, checks)
	page.WriteString(pageKinds)
	for _, p := range All() {
		writePreset(page, p)
	}
	_, err := io.WriteString(w, page.String())
	return err
}

const pageHead = `# Other networks' issuance

The simulator holds the issuance rules of eleven other networks, to compare with and to learn from. The page is written by
` + "`plexus sim presets --output markdown`" + `, and a test fails when it differs from what the code computes.

` + "```sh" + `
plexus sim presets                # names, sources and parameters
plexus sim presets --check        # published against computed figures
` + "```" + `

In a scenario a preset is named with the parameters that differ from their defaults:

` + "```yaml" + `
name: helium-burn
preset:
  name: helium
  params: {years: 20, burned: 10000}
` + "```" + `

## Published against computed
`

const pageKinds = `
What a comparison is worth depends on what it is made with. "What the chain did" and "another model of the network" can show a preset
wrong. "The source's own numbers" shows only that the formula was read right. "Fitted to this figure" shows nothing: a parameter was
set so that it agrees. What a network's users do (burn, stake, store) is a parameter, and its default an assumption, not a finding.
`

func writeChecks(page *strings.Builder, checks []Check) {
	page.WriteString("\n| network | figure | published | computed | unit | compared with | agrees |\n|---|---|---:|---:|---|---|---|\n")
	for _, c := range checks {
		figure := c.Figure
		if c.Note != "" {
			figure += " (" + c.Note + ")"
		}
		agrees := "yes"
		if !c.Passes() {
			agrees = "**no**"
		}
		fmt.Fprintf(page, "| %s | %s | %s | %s | %s | %s | %s |\n", c.Preset, figure, digits(c.Published, c.Tolerance), digits(c.Computed, c.Tolerance), c.Unit, c.Kind, agrees)
	}
}

func writePreset(page *strings.Builder, p Preset) {
	fmt.Fprintf(page, "\n## %s\n\n%s Read in %s: %s.\n\n| parameter | default | unit | range | |\n|---|---:|---|---|---|\n", p.Title, p.About, p.Certainty, p.Source)
	for _, param := range p.Params {
		fmt.Fprintf(page, "| `%s` | %s | %s | %s to %s | %s |\n", param.Name, plain(param.Default), param.Unit, plain(param.Min), plain(param.Max), param.Doc)
	}
}

// digits writes a figure as precisely as it is compared, and not more.
func digits(x, tolerance float64) string {
	places := 0
	for t := tolerance; t > 0 && t < 1 && places < 12; t *= 10 {
		places++
	}
	if tolerance == 0 {
		places = -1
	}
	return strconv.FormatFloat(x, 'f', places, 64)
}

func plain(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
