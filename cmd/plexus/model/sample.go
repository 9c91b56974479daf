package modelcmd

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/models/digits"
)

const (
	sampleCount   = 200
	sampleColumns = 20
	maxSamples    = 10_000
)

func sampleCommand() *cobra.Command {
	var out, folder string
	var count, columns int
	cmd := &cobra.Command{
		Use:   "sample",
		Short: "Draw images of the digits task, with their labels",
		Long: `Draw challenges as validators draw them: on one contact sheet with the labels below (--out), or as single PNG files
with a labels.csv beside them (--folder).`,
		Example: "  plexus model sample --out sheet.png\n  plexus model sample --folder ./images --count 50 --seed 3",
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "write a contact sheet to this PNG file")
	f.StringVar(&folder, "folder", "", "write single images and labels.csv into this folder")
	f.IntVar(&count, "count", sampleCount, fmt.Sprintf("images to draw, 1 to %d", maxSamples))
	f.IntVar(&columns, "columns", sampleColumns, "columns of the contact sheet")
	seed := seedFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if out == "" && folder == "" {
			return errors.New("say where to: --out FILE.png for a contact sheet, --folder FOLDER for single images")
		}
		if count < 1 || count > maxSamples || columns < 1 {
			return fmt.Errorf("--count %d --columns %d: want 1 to %d images in 1 column or more", count, columns, maxSamples)
		}
		drawer, err := digits.NewDrawer()
		if err != nil {
			return err
		}
		start, err := challengeSeed(cmd, *seed)
		if err != nil {
			return err
		}
		challenges := take(drawer.Generator(start), count)
		if out != "" {
			if err := writeSheet(out, challenges, columns); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "wrote %d images to %s\n", count, out)
		}
		if folder != "" {
			if err := writeSingles(folder, challenges); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "wrote %d images and labels.csv to %s\n", count, folder)
		}
		return nil
	}
	return cmd
}

func take(g *digits.Generator, n int) []digits.Challenge {
	challenges := make([]digits.Challenge, n)
	for i := range challenges {
		challenges[i] = g.Next()
	}
	return challenges
}

func writeSheet(path string, challenges []digits.Challenge, columns int) error {
	return writePNG(path, digits.ContactSheet(challenges, columns))
}

func writeSingles(folder string, challenges []digits.Challenge) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var labels strings.Builder
	labels.WriteString("file,label\n")
	width := len(strconv.Itoa(len(challenges)))
	for i, c := range challenges {
		name := fmt.Sprintf("%0*d.png", width, i+1)
		if err := writePNG(filepath.Join(folder, name), c.Image); err != nil {
			return err
		}
		fmt.Fprintf(&labels, "%s,%d\n", name, c.Label)
	}
	return os.WriteFile(filepath.Join(folder, "labels.csv"), []byte(labels.String()), 0o644)
}

func writePNG(path string, img image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, img), f.Close())
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
