package validatorcmd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/validator/external"
	"github.com/plexusnet/plexus/validator/mechanism/accuracy"
	"github.com/plexusnet/plexus/validator/replay"
)

// rewards say what a subnet's miners are paid for.
type rewards struct {
	mechanism perSubnet

	// of accuracy and replay
	target, late perSubnet
	// of accuracy
	task, metric perSubnet
	// of replay
	pinned, sha256, spec, rate perSubnet
	// of external
	command, folder, environment, address, authority, keyHash, cert, key perSubnet
	memory, message, parallel, starting, calling, expiry                 perSubnet
}

// mechanisms are those that there are.
func mechanisms() []string { return []string{accuracy.Name, replay.Name, external.Name} }

// flagsOf returns the flags that a mechanism reads.
func (r *rewards) flagsOf(name string) []*perSubnet {
	switch name {
	case accuracy.Name:
		return []*perSubnet{&r.task, &r.metric, &r.target, &r.late}
	case replay.Name:
		return []*perSubnet{&r.pinned, &r.sha256, &r.spec, &r.rate, &r.target, &r.late}
	case external.Name:
		return []*perSubnet{&r.command, &r.folder, &r.environment, &r.address, &r.authority, &r.keyHash, &r.cert, &r.key,
			&r.memory, &r.message, &r.parallel, &r.starting, &r.calling, &r.expiry}
	default:
		return nil
	}
}

func (r *rewards) add(cmd *cobra.Command) {
	r.mechanism.add(cmd, "mechanism", accuracy.Name, "what the subnet rewards: "+strings.Join(mechanisms(), ", "))
	r.target.add(cmd, "latency-target", "0s", "latency of an answer up to which nothing is taken off its score (replay: 50ms where 0s)")
	r.late.add(cmd, "latency-deadline", "0s", "latency at which nothing of the score is left; 0s: latency does not count (replay: 2s)")
	r.task.add(cmd, "task", tasks.Names()[0], "accuracy: kind of challenges: "+strings.Join(tasks.Names(), ", "))
	r.metric.add(cmd, "metric", string(accuracy.Accuracy), "accuracy: what answers are measured by: accuracy, f1, logloss or rmse")
	r.addReplay(cmd)
	r.addExternal(cmd)
}

func (r *rewards) addReplay(cmd *cobra.Command) {
	for _, p := range []*perSubnet{&r.pinned, &r.spec} {
		p.whole = true // names of files may hold commas
	}
	r.pinned.add(cmd, "pinned-model", "", "replay: ONNX file of the model that the subnet pins")
	r.sha256.add(cmd, "pinned-sha256", "", "replay: SHA-256 by which the subnet's owner names the model, 64 hexadecimal digits")
	r.spec.add(cmd, "challenge-spec", "", "replay: YAML file in which the owner describes the model's inputs (default: inferred)")
	r.rate.add(cmd, "target-rate", "0", "replay: exact answers per second up to which throughput counts; 0: it does not")
}

func (r *rewards) addExternal(cmd *cobra.Command) {
	for _, p := range []*perSubnet{&r.command, &r.folder, &r.environment, &r.authority, &r.cert, &r.key} {
		p.whole = true
	}
	r.command.add(cmd, "external-command", "", `external: program to start and its arguments, parted by spaces, or as a JSON list`)
	r.folder.add(cmd, "external-folder", "", "external: folder that the program works in (default: the validator's)")
	r.environment.add(cmd, "external-env", "", "external: variables that the program sees besides PATH, HOME, LANG, LC_ALL and TZ: NAME or NAME=value, parted by spaces")
	r.address.add(cmd, "external-address", "", "external: address of a program that runs, host:port or unix:PATH; TLS beyond this machine")
	r.authority.add(cmd, "external-ca", "", "external: PEM file of authorities that vouch for the address")
	r.keyHash.add(cmd, "external-key-hash", "", "external: or the SHA-256 of the program's public key (SPKI), hexadecimal")
	r.cert.add(cmd, "external-cert", "", "external: PEM file of the certificate that the validator shows to the program")
	r.key.add(cmd, "external-key", "", "external: PEM file of its private key")
	r.memory.add(cmd, "external-memory", strconv.Itoa(external.DefaultMaxMemoryBytes), "external: bytes that a started program may hold; -1: no bound")
	r.message.add(cmd, "external-message-bytes", strconv.Itoa(external.DefaultMaxMessageBytes), "external: largest message to and from the program")
	r.parallel.add(cmd, "external-parallel", strconv.Itoa(external.DefaultParallel), "external: miners that the program scores at once")
	r.starting.add(cmd, "external-start-timeout", external.DefaultStartTimeout.String(), "external: until the program says what it is")
	r.calling.add(cmd, "external-call-timeout", external.DefaultCallTimeout.String(), "external: for one call; a started program that misses it is ended and started again")
	r.expiry.add(cmd, "external-expiry", external.DefaultExpiry.String(), "external: after which a round is not scored any more")
}

// check refuses what no subnet is validated by.
func (r *rewards) check(cmd *cobra.Command, netuids []uint) error {
	errs := []error{r.mechanism.check(netuids)}
	used := map[string]bool{} // flags that a subnet's mechanism reads
	for _, netuid := range netuids {
		for _, p := range r.flagsOf(r.mechanism.of(uint32(netuid))) {
			used[p.flag] = true
		}
	}
	seen := map[string]bool{}
	for _, name := range mechanisms() {
		for _, p := range r.flagsOf(name) {
			if seen[p.flag] {
				continue
			}
			seen[p.flag] = true
			errs = append(errs, p.check(netuids))
			if cmd.Flags().Changed(p.flag) && !used[p.flag] {
				errs = append(errs, fmt.Errorf("--%s is for --mechanism %s, by which no subnet is validated here", p.flag, strings.Join(r.readers(p), " and ")))
			}
		}
	}
	return errors.Join(errs...)
}

// readers are the mechanisms that read a flag.
func (r *rewards) readers(p *perSubnet) []string {
	return slices.DeleteFunc(mechanisms(), func(name string) bool { return !slices.Contains(r.flagsOf(name), p) })
}
