package runtimecmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/library"
)

// Command returns `plexus runtime`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runtime",
		Short: "Fetch and inspect ONNX Runtime, the library that runs models",
	}
	cmd.AddCommand(fetchCommand(), infoCommand())
	return cmd
}

func fetchCommand() *cobra.Command {
	var o library.FetchOptions
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "fetch",
		Short: "Bring ONNX Runtime " + library.Version + " to this machine",
		Long: `Take ONNX Runtime's shared library out of the npm package onnxruntime-node, with npm's own registry settings, check the
package and the library against pinned checksums, and keep the library in the user's cache. A library that is there
already is left alone. Only 'npm pack' is used; nothing of the package is run.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			o.Progress = func(format string, args ...any) { cmd.PrintErrf(format+"\n", args...) }
			path, err := library.Fetch(ctx, o)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), path)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Folder, "folder", "", "keep the library below this folder (default: the user's cache, where it is found)")
	f.StringVar(&o.Npm, "npm", "npm", "the npm program")
	f.DurationVar(&timeout, "timeout", 10*time.Minute, "give up after this time")
	return cmd
}

// info is what `plexus runtime info` says.
type info struct {
	Library  string          `json:"library,omitempty"` // the one that is used
	Source   library.Source  `json:"source,omitempty"`
	Version  string          `json:"version,omitempty"`
	SHA256   string          `json:"sha256,omitempty"`
	Pinned   bool            `json:"pinned"` // it is the very file that fetch brings
	Problem  string          `json:"problem,omitempty"`
	Needs    string          `json:"needs"` // the oldest version that works
	Searched []library.Place `json:"searched"`
}

func infoCommand() *cobra.Command {
	var flag, output string
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Say which ONNX Runtime is used, its version, and where it is searched",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output %q: want text or json", output)
			}
			found, err := inspect(flag)
			if output == "json" {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return errors.Join(encoder.Encode(found), err)
			}
			return errors.Join(write(cmd, found), err)
		},
	}
	cmd.Flags().StringVar(&flag, library.Flag, "", "ONNX Runtime's shared library, or the folder it is in")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "format: text or json")
	return cmd
}

// inspect finds and opens the library. The error, if any, is also in the result.
func inspect(flag string) (i info, err error) {
	i = info{Needs: library.MinVersion + " or newer", Searched: library.Places(flag)}
	defer func() {
		if err != nil {
			i.Problem = err.Error()
		}
	}()
	place, err := library.Find(flag)
	if err != nil {
		return i, err
	}
	i.Library, i.Source = place.Path, place.Source
	if i.SHA256, err = library.HashFile(place.Path); err != nil {
		return i, err
	}
	i.Pinned = library.Verify(place.Path) == nil
	rt, err := ort.OpenFound(flag, ort.RuntimeOptions{})
	if err != nil {
		return i, err
	}
	i.Version = rt.Version()
	return i, rt.Close()
}

func write(cmd *cobra.Command, i info) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	if i.Version != "" {
		origin := "another build than the one that fetch brings"
		if i.Pinned {
			origin = "the pinned build"
		}
		fmt.Fprintf(w, "ONNX Runtime\t%s (%s; %s works)\nlibrary\t%s\nfound\t%s\nSHA-256\t%s\n", i.Version, origin, i.Needs, i.Library, i.Source, i.SHA256)
	}
	fmt.Fprintln(w, "searched, in this order")
	for _, p := range i.Searched {
		mark := "-"
		if p.Exists {
			mark = "found"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", mark, p.Path, p.Source)
	}
	return w.Flush()
}
