package modelcmd

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/audio"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/models/text"
)

const (
	sampleCount   = 200
	sampleColumns = 20
	maxSamples    = 10_000
)

// sample is one challenge as --output json lists it.
type sample struct {
	Label string `json:"label"`
	Text  string `json:"text,omitempty"` // of the text task
	File  string `json:"file,omitempty"` // within --folder
}

// samples are challenges of one task, to be looked at or listened to.
type samples struct {
	list      []sample
	extension string
	all       func(w io.Writer) error        // writes all of them as one file
	one       func(w io.Writer, i int) error // writes one as a file of its own
}

type sampleOptions struct {
	task, out, folder, output string
	count, columns            int
}

func sampleCommand() *cobra.Command {
	var o sampleOptions
	cmd := &cobra.Command{
		Use:   "sample",
		Short: "Draw challenges of a task, with their labels: PNG images, lines of text, WAV files",
		Long: `Draw challenges as validators draw them. --out writes all of them as one file: a contact sheet with the labels below
(digits, PNG), lines of label and text (text; to the terminal when no file is named), or the words one after the other
(audio, WAV; --output json lists which they are). --folder writes each as a file of its own, with a labels.csv beside them.`,
		Example: "  plexus model sample --out sheet.png\n  plexus model sample --task text --count 10\n" +
			"  plexus model sample --task audio --folder ./words --count 50 --seed 3",
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.task, "task", tasks.Names()[0], "task to draw from: "+taskList())
	f.StringVar(&o.out, "out", "", "write all challenges to this file: .png, .txt or .wav by the task")
	f.StringVar(&o.folder, "folder", "", "write single files and labels.csv into this folder")
	count := f.Int("count", sampleCount, fmt.Sprintf("challenges to draw, 1 to %d", maxSamples))
	f.IntVar(&o.columns, "columns", sampleColumns, "columns of the contact sheet")
	seed, output := seedFlag(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.count, o.output = *count, *output
		if err := o.check(); err != nil {
			return err
		}
		seeds, err := challengeSeeds(cmd, *seed)
		if err != nil {
			return err
		}
		drawn, err := o.draw(seeds(o.task))
		if err != nil {
			return err
		}
		return o.write(cmd, drawn)
	}
	return cmd
}

func (o sampleOptions) check() error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	if o.count < 1 || o.count > maxSamples || o.columns < 1 {
		return fmt.Errorf("--count %d --columns %d: want 1 to %d challenges in 1 column or more", o.count, o.columns, maxSamples)
	}
	if o.out == "" && o.folder == "" && o.task != text.Name {
		return errors.New("say where to: --out FILE for all in one file, --folder FOLDER for single files")
	}
	return nil
}

func (o sampleOptions) draw(seed models.Seed) (*samples, error) {
	switch o.task {
	case digits.Name:
		return drawDigits(seed, o.count, o.columns)
	case text.Name:
		return drawTexts(seed, o.count), nil
	case audio.Name:
		return drawWords(seed, o.count), nil
	default:
		return nil, fmt.Errorf("--task: %w: %q; there are %s", tasks.ErrTask, o.task, taskList())
	}
}

// write puts the samples where they are wanted and says so, or lists them as JSON.
func (o sampleOptions) write(cmd *cobra.Command, drawn *samples) error {
	if o.out != "" {
		if err := writeFile(o.out, drawn.all); err != nil {
			return err
		}
		cmd.PrintErrf("wrote %d challenges to %s\n", o.count, o.out)
	}
	if o.folder != "" {
		if err := drawn.writeSingles(o.folder); err != nil {
			return err
		}
		cmd.PrintErrf("wrote %d challenges and labels.csv to %s\n", o.count, o.folder)
	}
	if o.output == "json" {
		return writeJSON(cmd.OutOrStdout(), drawn.list)
	}
	if o.out == "" && o.folder == "" {
		return drawn.all(cmd.OutOrStdout())
	}
	return nil
}

func (s *samples) writeSingles(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	rows := [][]string{{"file", "label"}}
	width := len(strconv.Itoa(len(s.list)))
	for i := range s.list {
		name := fmt.Sprintf("%0*d%s", width, i+1, s.extension)
		if err := writeFile(filepath.Join(folder, name), func(w io.Writer) error { return s.one(w, i) }); err != nil {
			return err
		}
		s.list[i].File = name
		rows = append(rows, []string{name, s.list[i].Label})
	}
	return writeFile(filepath.Join(folder, "labels.csv"), func(w io.Writer) error { return csv.NewWriter(w).WriteAll(rows) })
}

// writeFile makes a file of what write gives.
func writeFile(path string, write func(io.Writer) error) error {
	var content bytes.Buffer
	if err := write(&content); err != nil {
		return err
	}
	return os.WriteFile(path, content.Bytes(), 0o644)
}

func drawDigits(seed models.Seed, count, columns int) (*samples, error) {
	drawer, err := digits.NewDrawer()
	if err != nil {
		return nil, err
	}
	generator := drawer.Generator(seed)
	list, challenges := make([]sample, count), make([]digits.Challenge, count)
	for i := range challenges {
		challenges[i] = generator.Next()
		list[i].Label = strconv.Itoa(challenges[i].Label)
	}
	return &samples{
		list: list, extension: ".png",
		all: func(w io.Writer) error { return png.Encode(w, digits.ContactSheet(challenges, columns)) },
		one: func(w io.Writer, i int) error { return png.Encode(w, challenges[i].Image) },
	}, nil
}

func drawTexts(seed models.Seed, count int) *samples {
	generator := text.NewGenerator(seed)
	list := make([]sample, count)
	for i := range list {
		c := generator.Next()
		list[i] = sample{Label: text.Labels()[c.Label], Text: c.Text}
	}
	return &samples{
		list: list, extension: ".txt",
		all: func(w io.Writer) error {
			for _, s := range list {
				if _, err := fmt.Fprintf(w, "%s\t%s\n", s.Label, s.Text); err != nil {
					return err
				}
			}
			return nil
		},
		one: func(w io.Writer, i int) error {
			_, err := fmt.Fprintln(w, list[i].Text)
			return err
		},
	}
}

func drawWords(seed models.Seed, count int) *samples {
	generator := audio.NewGenerator(seed)
	list, recordings := make([]sample, count), make([][]int16, count)
	for i := range list {
		c := generator.Next()
		list[i].Label, recordings[i] = audio.Labels()[c.Label], c.Samples
	}
	return &samples{
		list: list, extension: ".wav",
		all: func(w io.Writer) error {
			var joined []int16
			for _, r := range recordings {
				joined = append(append(joined, r...), make([]int16, audio.Rate/4)...) // a pause between words
			}
			return audio.WriteWAV(w, joined)
		},
		one: func(w io.Writer, i int) error { return audio.WriteWAV(w, recordings[i]) },
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
