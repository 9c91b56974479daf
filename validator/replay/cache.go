package replay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/plexusnet/plexus/models/ort"
)

// calibrationVersion changes with the way calibrations are made, so that old ones are made anew.
const calibrationVersion = 1

// Cached returns the calibration that a folder holds for this model, library and options, or makes it and keeps it there.
// A file that cannot be read as one is made anew.
func Cached(ctx context.Context, rt *ort.Runtime, model []byte, o CalibrationOptions, folder string) (*Calibration, error) {
	path, err := cachePath(rt, model, o, folder)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the kept calibration: %w", err)
	}
	var kept Calibration
	if err == nil && json.Unmarshal(data, &kept) == nil && kept.Challenges > 0 {
		return &kept, nil
	}
	made, err := Calibrate(ctx, rt, model, o)
	if err != nil {
		return nil, err
	}
	return made, keep(path, made)
}

// cachePath names the file after everything that a calibration depends on but the machine.
func cachePath(rt *ort.Runtime, model []byte, o CalibrationOptions, folder string) (string, error) {
	how, err := json.Marshal(struct {
		Version int
		Library string
		Options CalibrationOptions
	}{calibrationVersion, rt.Version(), o.withDefaults()})
	if err != nil {
		return "", fmt.Errorf("name the calibration: %w", err)
	}
	what, way := sha256.Sum256(model), sha256.Sum256(how)
	return filepath.Join(folder, fmt.Sprintf("%x-%s-%s.json", what, rt.Version(), hex.EncodeToString(way[:6]))), nil
}

// keep writes a calibration whole or not at all.
func keep(path string, c *Calibration) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the calibration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("keep the calibration: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".calibration-*")
	if err != nil {
		return fmt.Errorf("keep the calibration: %w", err)
	}
	_, err = temporary.Write(data)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep the calibration: %w", err), os.Remove(temporary.Name()))
	}
	return nil
}
