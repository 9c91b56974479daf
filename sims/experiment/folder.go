package experiment

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The names of files.
const (
	ScenarioFile   = "scenario.yaml"
	ManifestFile   = "manifest.json"
	QuantilesFile  = "quantiles.csv"
	RunsFile       = "runs.csv"
	SummaryFile    = "summary.json"
	SweepFile      = "sweep.csv"
	EffectsFile    = "effects.csv"
	IndicesFile    = "indices.csv"
	UnfinishedFile = "unfinished" // while the experiment is not finished: its checkpoint
)

// folder is where an experiment's files are written.
type folder struct {
	dir      string
	finished bool // there is nothing left to do
	resumed  bool // there may be a checkpoint

	runsFile, recordsFile *output
	line                  []byte
}

// openFolder starts an experiment in a folder, or goes on with one. The checkpoint file comes before the manifest and
// goes last, so that whenever the program dies the folder tells what it holds.
func openFolder(dir string, manifest Manifest, scenario []byte, resume bool) (*folder, error) {
	f := &folder{dir: dir}
	want, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, err
	}
	want = append(want, '\n')
	have, err := os.ReadFile(f.path(ManifestFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, f.begin(want, scenario)
	case err != nil:
		return nil, err
	case !resume:
		return nil, fmt.Errorf("%w: %s holds an experiment already: resume it, or name another folder", ErrFolder, dir)
	case !bytes.Equal(have, want):
		return nil, fmt.Errorf("%w: %s holds another experiment (%s): its scenario, seed, runs, columns, memory and program must be the same to resume it", ErrFolder, dir, difference(have, manifest))
	}
	_, err = os.Stat(f.path(UnfinishedFile))
	f.finished, f.resumed = errors.Is(err, fs.ErrNotExist), true
	if f.finished {
		err = nil
	}
	return f, err
}

// difference names the first field of a manifest that differs.
func difference(have []byte, want Manifest) string {
	var old Manifest
	if json.Unmarshal(have, &old) != nil {
		return "its manifest cannot be read"
	}
	for _, d := range []struct {
		name      string
		have, now any
	}{
		{"kind", old.Kind, want.Kind}, {"version", old.Version, want.Version}, {"seed", old.Seed, want.Seed}, {"runs", old.Runs, want.Runs},
		{"memory", old.Memory, want.Memory}, {"records", old.Records, want.Records}, {"scenario", old.Scenario, want.Scenario},
		{"format", old.Format, want.Format}, {"columns", fmt.Sprint(old.Columns), fmt.Sprint(want.Columns)},
		{"every", old.Every, want.Every}, {"quantiles", fmt.Sprint(old.Quantiles), fmt.Sprint(want.Quantiles)}, {"plan", old.Plan, want.Plan},
	} {
		if d.have != d.now {
			return fmt.Sprintf("%s %v there, %v now", d.name, d.have, d.now)
		}
	}
	return "its manifest differs"
}

func (f *folder) begin(manifest, scenario []byte) error {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(f.path(UnfinishedFile)); err != nil {
			return fmt.Errorf("%w: %s holds other files (%s): name an empty or a new folder", ErrFolder, f.dir, entries[0].Name())
		}
	}
	if err := os.WriteFile(f.path(UnfinishedFile), nil, 0o644); err != nil {
		return err
	}
	if scenario != nil {
		if err := f.write(ScenarioFile, func(w io.Writer) error { _, err := w.Write(scenario); return err }); err != nil {
			return err
		}
	}
	return f.write(ManifestFile, func(w io.Writer) error { _, err := w.Write(manifest); return err })
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

// write writes a whole file or none.
func (f *folder) write(name string, content func(io.Writer) error) error {
	path := f.path(name)
	out, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<16)
	err = errors.Join(content(w), w.Flush(), out.Sync(), out.Close())
	if err != nil {
		os.Remove(path + ".part")
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(path+".part", path)
}

func (f *folder) writeJSON(name string, value any) error {
	return f.write(name, func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	})
}

// done removes the checkpoint, which makes the experiment a finished one.
func (f *folder) done() error {
	return errors.Join(f.close(), os.Remove(f.path(UnfinishedFile)))
}

func (f *folder) close() error {
	err := errors.Join(f.runsFile.close(), f.recordsFile.close())
	f.runsFile, f.recordsFile = nil, nil
	return err
}

// output is a file that grows with the runs. A checkpoint notes how far it is good.
type output struct {
	file *os.File
	*bufio.Writer
	size int64
}

// openOutput cuts a file to a size and goes on behind it.
func openOutput(path string, size int64) (*output, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	if err := file.Truncate(size); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := file.Seek(size, io.SeekStart); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &output{file: file, Writer: bufio.NewWriterSize(file, 1<<16), size: size}, nil
}

func (o *output) write(line []byte) error {
	o.size += int64(len(line))
	_, err := o.Writer.Write(line)
	return err
}

func (o *output) sync() error {
	if o == nil {
		return nil
	}
	return errors.Join(o.Flush(), o.file.Sync())
}

func (o *output) written() int64 {
	if o == nil {
		return 0
	}
	return o.size
}

func (o *output) close() error {
	if o == nil {
		return nil
	}
	return errors.Join(o.Flush(), o.file.Close())
}

func digestOf(content []byte) string {
	if content == nil {
		return ""
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
