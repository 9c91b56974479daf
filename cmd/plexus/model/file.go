package modelcmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/repository"
)

// readModel returns one ONNX file with all its weights.
func readModel(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file: want one model, such as models/digits-large/1/model.onnx", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, repository.DefaultMaxModelBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if int64(len(data)) > repository.DefaultMaxModelBytes {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", path, repository.ErrTooLarge, repository.DefaultMaxModelBytes)
	}
	about, err := onnx.Inspect(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(about.External) > 0 {
		return nil, fmt.Errorf("%s keeps weights in other files (%s): save it as one file first", path, strings.Join(about.External, ", "))
	}
	return data, nil
}

// writeModel writes a file whole or not at all; one that is there stays, unless it may be replaced.
func writeModel(path string, data []byte, replace bool) error {
	if _, err := os.Lstat(path); err == nil && !replace {
		return fmt.Errorf("%s is there already: give another name, or --force", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".model-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // does nothing once renamed
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
