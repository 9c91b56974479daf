package localnet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/nn"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort/library"
)

const (
	untrainedModel = "digits-untrained"
	modelVersion   = "1"
	modelFile      = "model.onnx"
	// measured is how many images the accuracy is taken on: 0.4 percentage
	// points of standard error at 95 %.
	measured = 3000
)

// ModelCache is where trained models are kept between runs: below the user's
// cache, apart for every recipe and seed.
func ModelCache(seed uint64) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for models: %w", err)
	}
	hash := sha256.New()
	for _, g := range classifier.Grades() {
		fmt.Fprintln(hash, g.Name, g.About, g.Examples, g.Rate)
	}
	recipe := hex.EncodeToString(hash.Sum(nil)[:6])
	return filepath.Join(base, "plexus", "models", fmt.Sprintf("%s-seed%d", recipe, seed)), nil
}

// prepareModels makes sure that there is a runtime, a model for every miner,
// and a measurement of each: the share of held-out images that it tells right,
// by model.
func (n *stage) prepareModels(ctx context.Context) (map[string]float64, error) {
	if err := n.ensureRuntime(ctx); err != nil {
		return nil, err
	}
	if err := n.ensureTrained(ctx); err != nil {
		return nil, err
	}
	if err := n.placeModels(); err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	return n.measureModels(ctx)
}

// ensureRuntime fetches ONNX Runtime when it is nowhere.
func (n *stage) ensureRuntime(ctx context.Context) error {
	_, err := library.Find(n.Library)
	if !errors.Is(err, library.ErrNotFound) || n.Library != "" {
		return err
	}
	n.say("fetching ONNX Runtime %s by npm (once; kept in the user's cache)", library.Version)
	if err := n.job(ctx, "runtime-fetch", "", "runtime", "fetch"); err != nil {
		return fmt.Errorf("fetch ONNX Runtime: %w", err)
	}
	return nil
}

// ensureTrained trains the grades that are not in the cache.
func (n *stage) ensureTrained(ctx context.Context) error {
	missing := 0
	for _, grade := range classifier.Grades() {
		if _, err := os.Stat(classifier.Path(n.ModelCache, grade, 1)); err != nil {
			missing++
		}
	}
	if missing == 0 {
		n.say("models: taken from %s", n.ModelCache)
		return nil
	}
	n.say("training %d models (once; kept in %s)", missing, n.ModelCache)
	err := n.job(ctx, "model-train", "", "model", "train", "--skip-existing",
		"--out", n.ModelCache, "--seed", strconv.FormatUint(n.Seed, 10))
	if err != nil {
		return fmt.Errorf("train models: %w", err)
	}
	return nil
}

// placeModels gives every miner a repository with its one model, and puts all
// of them into one more, to measure them.
func (n *stage) placeModels() error {
	garbage, err := untrainedNetwork(n.Seed)
	if err != nil {
		return err
	}
	for _, m := range n.cast {
		if m.role != RoleMiner {
			continue
		}
		data := garbage
		if m.model != untrainedModel {
			if data, err = os.ReadFile(filepath.Join(n.ModelCache, m.model, modelVersion, modelFile)); err != nil {
				return err
			}
		}
		for _, repository := range []string{modelsOf(n.Dir, m), n.allModels()} {
			folder := filepath.Join(repository, m.model, modelVersion)
			if err := os.MkdirAll(folder, 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(folder, modelFile), data, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *stage) allModels() string { return filepath.Join(n.Dir, "models") }

// untrainedNetwork is a model of the task with its first, random weights: well
// formed, and no better than guessing.
func untrainedNetwork(seed uint64) ([]byte, error) {
	shape := nn.Shape{Channels: 1, Height: digits.Size, Width: digits.Size}
	network, err := nn.New(shape, seed, nn.Standardize(), nn.AveragePool(2), nn.Dense(32), nn.ReLU(), nn.Dense(digits.Classes))
	if err != nil {
		return nil, err
	}
	b := onnx.NewBuilder(untrainedModel)
	b.Doc("A digit classifier that was never trained.")
	b.Metadata(models.MetadataTask, digits.Task().Name)
	b.Metadata(models.MetadataSeed, strconv.FormatUint(seed, 10))
	b.Metadata(models.MetadataTrainingSize, "0")
	network.Export(b, digits.InputName, digits.OutputName)
	return b.Bytes()
}

// measureModels asks every model the same images, none of them trained on.
func (n *stage) measureModels(ctx context.Context) (map[string]float64, error) {
	args := []string{"model", "eval", n.allModels(), "--output", "json",
		"--count", strconv.Itoa(measured), "--seed", strconv.FormatUint(n.Seed, 10)}
	if n.Library != "" {
		args = append(args, "--onnxruntime", n.Library)
	}
	answer := filepath.Join(n.Dir, "accuracy.json")
	if err := n.job(ctx, "model-eval", answer, args...); err != nil {
		return nil, fmt.Errorf("measure models: %w", err)
	}
	raw, err := os.ReadFile(answer)
	if err != nil {
		return nil, fmt.Errorf("measure models: %w", err)
	}
	var results []struct {
		Model    string  `json:"model"`
		Accuracy float64 `json:"accuracy"`
	}
	if err := json.Unmarshal(raw, &results); err != nil {
		return nil, fmt.Errorf("measure models: answer of model eval: %w", err)
	}
	accuracy := map[string]float64{}
	for _, r := range results {
		accuracy[r.Model] = r.Accuracy
	}
	return accuracy, nil
}
