package validatorcmd

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/validator/external"
	"github.com/plexusnet/plexus/validator/mechanism"
	"github.com/plexusnet/plexus/validator/mechanism/accuracy"
	"github.com/plexusnet/plexus/validator/replay"
)

// maker makes the mechanisms of subnets. The caller closes it, after the last of their rounds.
type maker struct {
	rewards      *rewards
	challenges   int    // per round
	library      string // of ONNX Runtime, as the flag names it
	memory       int64  // that pinned models may hold
	calibrations string // folder that keeps them; empty: none are kept
	log          *slog.Logger

	runtime *ort.Runtime // opened for the first subnet that needs it
	made    []mechanism.Mechanism
}

// Close frees all that was made.
func (m *maker) Close() error {
	var errs []error
	for _, one := range m.made {
		errs = append(errs, one.Close())
	}
	if m.runtime != nil {
		errs = append(errs, m.runtime.Close())
	}
	return errors.Join(errs...)
}

// of makes the mechanism of a subnet.
func (m *maker) of(ctx context.Context, netuid uint32) (mechanism.Mechanism, error) {
	made, err := m.build(ctx, netuid)
	if err != nil {
		return nil, fmt.Errorf("subnet %d: %w", netuid, err)
	}
	m.made = append(m.made, made)
	return made, nil
}

func (m *maker) build(ctx context.Context, netuid uint32) (mechanism.Mechanism, error) {
	switch name := m.rewards.mechanism.of(netuid); name {
	case accuracy.Name:
		return m.rewards.accuracy(netuid)
	case replay.Name:
		return m.replay(ctx, netuid)
	case external.Name:
		return m.external(ctx, netuid)
	default:
		return nil, fmt.Errorf("--mechanism %q: want one of %s", name, strings.Join(mechanisms(), ", "))
	}
}

func (r *rewards) accuracy(netuid uint32) (mechanism.Mechanism, error) {
	kind, err := tasks.ByName(r.task.of(netuid))
	if err != nil {
		return nil, fmt.Errorf("--task: %w", err)
	}
	target, late, err := r.latency(netuid)
	if err != nil {
		return nil, err
	}
	return accuracy.New(kind, accuracy.Options{Metric: accuracy.Metric(r.metric.of(netuid)), Target: target, Deadline: late})
}

func (r *rewards) latency(netuid uint32) (target, late time.Duration, err error) {
	target, err = r.target.duration(netuid)
	if err != nil {
		return 0, 0, err
	}
	late, err = r.late.duration(netuid)
	return target, late, err
}

// replay loads and calibrates the model that a subnet pins.
func (m *maker) replay(ctx context.Context, netuid uint32) (mechanism.Mechanism, error) {
	o, err := m.rewards.replay(netuid)
	if err != nil {
		return nil, err
	}
	o.Cache = m.calibrations
	path := m.rewards.pinned.of(netuid)
	model, err := m.read(path)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", m.rewards.pinned.flag, err)
	}
	if m.runtime == nil {
		if m.runtime, err = ort.OpenFound(m.library, ort.RuntimeOptions{MaxMemoryBytes: m.memory}); err != nil {
			return nil, err
		}
	}
	m.log.Info("loading the pinned model; one that is new here is calibrated first, which may take minutes", "netuid", netuid, "file", path)
	made, err := replay.New(ctx, m.runtime, model, o)
	switch {
	case errors.Is(err, replay.ErrModel):
		return nil, fmt.Errorf("--%s %s: %w: get the file from the subnet's owner, or give --%s as the owner names it",
			m.rewards.pinned.flag, path, err, m.rewards.sha256.flag)
	case errors.Is(err, replay.ErrSpec):
		return nil, fmt.Errorf("--%s: %w", m.rewards.spec.flag, err)
	case err != nil:
		return nil, fmt.Errorf("--%s %s: %w", m.rewards.pinned.flag, path, err)
	}
	c := made.Calibration()
	for _, in := range c.Shapes {
		if in.Moot {
			m.log.Warn("an input of the pinned model changes no output: describe it in the challenge spec", "netuid", netuid, "input", in.Name)
		}
	}
	m.log.Info("calibrated", "netuid", netuid, "sha256", c.Model, "challenges_needed", c.Challenges, "families", c.Families)
	if m.challenges < c.Challenges {
		err := fmt.Errorf("--challenges %d: a round must have %d or more to find out cheaper versions of this model", m.challenges, c.Challenges)
		return nil, errors.Join(err, made.Close())
	}
	return made, nil
}

// read reads a file of a model that is not larger than models may be.
func (m *maker) read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > m.memory {
		return nil, fmt.Errorf("%s has %d bytes, and models may hold %d: raise --memory-limit", path, info.Size(), m.memory)
	}
	return os.ReadFile(path)
}

// replay reads the settings of a subnet that pins a model.
func (r *rewards) replay(netuid uint32) (o replay.Options, err error) {
	if r.pinned.of(netuid) == "" {
		return o, fmt.Errorf("--mechanism %s: give --%s, the file of the model that the subnet pins", replay.Name, r.pinned.flag)
	}
	o.SHA256 = strings.ToLower(r.sha256.of(netuid))
	if sum, err := hex.DecodeString(o.SHA256); err != nil || len(sum) != 32 {
		return o, fmt.Errorf("--%s %q: want the SHA-256 by which the subnet's owner names the model, 64 hexadecimal digits", r.sha256.flag, o.SHA256)
	}
	if o.Target, o.Deadline, err = r.latency(netuid); err != nil {
		return o, err
	}
	o.TargetRate, err = strconv.ParseFloat(r.rate.of(netuid), 64)
	if err != nil || !(o.TargetRate >= 0) || math.IsInf(o.TargetRate, 0) {
		return o, fmt.Errorf("--%s %q: want answers per second, 0 or more", r.rate.flag, r.rate.of(netuid))
	}
	path := r.spec.of(netuid)
	if path == "" {
		return o, nil
	}
	text, err := os.ReadFile(path)
	if err == nil {
		o.Calibration.Spec, err = replay.ParseSpec(text)
	}
	if err != nil {
		return o, fmt.Errorf("--%s %s: %w", r.spec.flag, path, err)
	}
	return o, nil
}

// external starts or dials a subnet owner's program, and has it draw once: what does not work is known at the start.
func (m *maker) external(ctx context.Context, netuid uint32) (mechanism.Mechanism, error) {
	o, err := m.rewards.external(netuid)
	if err != nil {
		return nil, err
	}
	o.Log = m.log.With("netuid", netuid)
	made, err := external.New(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("--mechanism %s: %w", external.Name, err)
	}
	if _, err := made.Draw(ctx, m.challenges); err != nil {
		err = fmt.Errorf("--mechanism %s: draw %d challenges: %w", external.Name, m.challenges, err)
		return nil, errors.Join(err, made.Close())
	}
	return made, nil
}

// external reads the settings of a subnet whose owner's program judges.
func (r *rewards) external(netuid uint32) (o external.Options, err error) {
	if (r.command.of(netuid) == "") == (r.address.of(netuid) == "") {
		return o, fmt.Errorf("--mechanism %s: give either --%s, a program to start, or --%s, where one runs", external.Name, r.command.flag, r.address.flag)
	}
	o.Address = r.address.of(netuid)
	o.TLS = external.TLS{CAFile: r.authority.of(netuid), CertFile: r.cert.of(netuid), KeyFile: r.key.of(netuid)}
	if o.TLS.KeyHash, err = hex.DecodeString(r.keyHash.of(netuid)); err != nil {
		return o, fmt.Errorf("--%s %q: want 64 hexadecimal digits", r.keyHash.flag, r.keyHash.of(netuid))
	}
	if o.Command.Args, err = words(r.command.of(netuid)); err != nil {
		return o, fmt.Errorf("--%s: %w", r.command.flag, err)
	}
	o.Command.Dir, o.Command.Env = r.folder.of(netuid), strings.Fields(r.environment.of(netuid))
	return o, r.limits(netuid, &o)
}

// limits reads what a subnet owner's program may take.
func (r *rewards) limits(netuid uint32, o *external.Options) error {
	var errs []error
	for _, one := range []struct {
		from *perSubnet
		to   *time.Duration
	}{{&r.starting, &o.StartTimeout}, {&r.calling, &o.CallTimeout}, {&r.expiry, &o.Expiry}} {
		var err error
		*one.to, err = one.from.positive(netuid)
		errs = append(errs, err)
	}
	message, err := r.message.count(netuid, 1)
	errs = append(errs, err)
	parallel, err := r.parallel.count(netuid, 1)
	errs = append(errs, err)
	o.Command.MaxMemoryBytes, err = r.memory.count(netuid, external.Unlimited)
	errs = append(errs, err)
	o.MaxMessageBytes, o.Parallel = int(min(message, math.MaxInt32)), int(min(parallel, math.MaxInt32))
	return errors.Join(errs...)
}

// words splits a command: at spaces, or as the JSON list that it is.
func words(command string) ([]string, error) {
	if !strings.HasPrefix(command, "[") {
		return strings.Fields(command), nil
	}
	var list []string
	if err := json.Unmarshal([]byte(command), &list); err != nil {
		return nil, fmt.Errorf("want a program and its arguments, or a JSON list of them: %w", err)
	}
	return list, nil
}
