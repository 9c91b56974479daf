package check

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestUnits: systemd reads each unit without a complaint, and finds it shut off well.
func TestUnits(t *testing.T) {
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	for _, name := range []string{"plexus-miner.service", "plexus-gateway.service"} {
		t.Run(name, func(t *testing.T) { testUnit(t, program, name) })
	}
}

func testUnit(t *testing.T, program, name string) {
	text, err := os.ReadFile(filepath.Join("..", "systemd", name))
	require.NoError(t, err)
	const installed = "/usr/local/bin/plexus"
	require.Contains(t, string(text), installed)
	there, err := exec.LookPath("true") // systemd wants the program to exist
	require.NoError(t, err)
	unit := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), installed, there)), 0o600))
	out, err := exec.Command(program, "verify", "--man=no", unit).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))
	out, err = exec.Command(program, "security", "--offline=true", "--threshold=30", unit).CombinedOutput()
	require.NoError(t, err, "%s", out)

	require.NoError(t, os.WriteFile(unit, append(text, "\n[Service]\nKillSignul=SIGTERM\n"...), 0o600))
	out, _ = exec.Command(program, "verify", "--man=no", unit).CombinedOutput()
	require.Contains(t, string(out), "KillSignul", "a mistake would be found")
}

// required are the values that an operator must give.
var required = []string{"chainId=plexus-1", "node=node:9090", "hotkey=miner1", "external=miner.example.org:8500", "secret=keys", "modelsClaim=models"}

// helm runs the Helm that go.mod pins.
func helm(t *testing.T) func(args ...string) (string, error) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "helm")
	out, err := exec.Command("go", "build", "-o", program, "helm.sh/helm/v3/cmd/helm").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return func(args ...string) (string, error) {
		out, err := exec.Command(program, args...).CombinedOutput()
		return string(out), err
	}
}

func set(values []string) []string {
	var args []string
	for _, v := range values {
		args = append(args, "--set", v)
	}
	return args
}

func TestChart(t *testing.T) {
	chart, helm := filepath.Join("..", "helm", "plexus-miner"), helm(t)
	out, err := helm(append([]string{"lint", "--strict", chart}, set(required)...)...)
	require.NoError(t, err, out)
	for i := range required {
		left := slices.Delete(slices.Clone(required), i, i+1)
		out, err := helm(append([]string{"template", "x", chart}, set(left)...)...)
		require.Error(t, err, "without %s: %s", required[i], out)
		require.Contains(t, out, strings.SplitN(required[i], "=", 2)[0])
	}

	out, err = helm(append([]string{"template", "x", chart, "--set", "gpus=2", "--set", "replicas=3", "--set", "extraArgs={--rest=127.0.0.1:8000}"}, set(required)...)...)
	require.NoError(t, err, out)
	var deployment appsv1.Deployment
	var service corev1.Service
	for _, document := range strings.Split(out, "\n---\n") {
		switch {
		case strings.Contains(document, "kind: Deployment"):
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), &deployment))
		case strings.Contains(document, "kind: Service"):
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), &service))
		}
	}
	require.Equal(t, int32(3), *deployment.Spec.Replicas)
	require.Equal(t, service.Spec.Selector, deployment.Spec.Selector.MatchLabels)
	pod := deployment.Spec.Template.Spec
	require.True(t, *pod.SecurityContext.RunAsNonRoot)
	miner := pod.Containers[0]
	require.Contains(t, miner.Args, "--rest=127.0.0.1:8000")
	require.Contains(t, miner.Args, "--external=miner.example.org:8500")
	gpus := miner.Resources.Limits["nvidia.com/gpu"]
	require.Equal(t, int64(2), gpus.Value())
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		require.NotContains(t, c.Image, " ")
		for _, m := range c.VolumeMounts {
			require.True(t, volumes[m.Name], m.Name)
		}
	}
	require.Equal(t, service.Spec.Ports[0].TargetPort.StrVal, miner.Ports[0].Name)
	t.Run("the passphrase reaches the miner", func(t *testing.T) {
		for given, want := range map[string]string{"secret words": "secret words", "": ""} {
			home := t.TempDir()
			if given != "" {
				require.NoError(t, os.WriteFile(filepath.Join(home, "passphrase"), []byte(given), 0o600))
			}
			fake := filepath.Join(home, "plexus")
			require.NoError(t, os.WriteFile(fake, []byte("#!/bin/sh\necho \"$@\"; cat\n"), 0o700))
			script := strings.ReplaceAll(miner.Command[2], "/home/", home+"/")
			cmd := exec.Command(miner.Command[0], append([]string{miner.Command[1], script, miner.Command[3]}, "--netuid=1", "a b")...)
			cmd.Env = []string{"PATH=" + home + ":" + os.Getenv("PATH")}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Equal(t, "miner start --log-format json --netuid=1 a b\n"+want, string(out))
		}
	})
}

func TestDockerfiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "docker", "Dockerfile.*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			parsed, err := parser.Parse(bytes.NewReader(text))
			require.NoError(t, err)
			require.Empty(t, parsed.Warnings)
			stages, _, err := instructions.Parse(parsed.AST, nil)
			require.NoError(t, err)
			var known []string
			for _, stage := range stages {
				for _, command := range stage.Commands {
					if c, ok := command.(*instructions.CopyCommand); ok && c.From != "" {
						require.Contains(t, known, c.From, "a stage that comes before")
					}
					if c, ok := command.(*instructions.RunCommand); ok {
						out, err := exec.Command("sh", "-n", "-c", strings.Join(c.CmdLine, " ")).CombinedOutput()
						require.NoError(t, err, "%s: %s", c.CmdLine, out)
					}
				}
				known = append(known, stage.Name)
			}
			last := stages[len(stages)-1].Commands
			is := func(want func(instructions.Command) bool) bool { return slices.ContainsFunc(last, want) }
			require.True(t, is(func(c instructions.Command) bool {
				u, ok := c.(*instructions.UserCommand)
				return ok && u.User != "root"
			}), "not as root")
			require.True(t, is(func(c instructions.Command) bool {
				e, ok := c.(*instructions.EntrypointCommand)
				return ok && !e.PrependShell
			}), "signals reach the miner")
			require.True(t, is(func(c instructions.Command) bool {
				s, ok := c.(*instructions.StopSignalCommand)
				return ok && s.Signal == "SIGTERM"
			}))
		})
	}
}
