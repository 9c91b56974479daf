package ort

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/plexusnet/plexus/models/gpu"
)

// ErrProvider is wrapped where an execution provider that was asked for is not to be had. The error says why, and what to
// do.
var ErrProvider = errors.New("execution provider not available")

// ProviderKind is what runs the operators of a model.
type ProviderKind string

// The kinds.
const (
	Auto     ProviderKind = "auto" // the best that works
	CPU      ProviderKind = "cpu"
	CUDA     ProviderKind = "cuda"
	TensorRT ProviderKind = "tensorrt"
)

// AnyDevice leaves the choice of the GPU to Choose: the one with the most free memory.
const AnyDevice = -1

// Provider is where a model runs. The zero value is the CPU.
type Provider struct {
	Kind   ProviderKind
	Device int  // of a GPU, or AnyDevice
	Strict bool // fail to load a model of which some operator would fall back to the CPU
	TF32   bool // let matrix products on GPUs round to 19 bits: faster, and other answers than the CPU's
}

// ParseProvider reads auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N.
func ParseProvider(text string) (Provider, error) {
	kind, device, numbered := strings.Cut(text, ":")
	p := Provider{Kind: ProviderKind(kind), Device: AnyDevice}
	gpus := p.Kind == CUDA || p.Kind == TensorRT
	if !gpus && (numbered || (p.Kind != Auto && p.Kind != CPU)) {
		return p, fmt.Errorf("provider %q: want auto, cpu, cuda[:N] or tensorrt[:N]", text)
	}
	if numbered {
		n, err := strconv.ParseUint(device, 10, 8)
		if err != nil {
			return p, fmt.Errorf("provider %q: want the number of a GPU after the colon", text)
		}
		p.Device = int(n)
	}
	return p, nil
}

// String returns what ParseProvider reads.
func (p Provider) String() string {
	switch {
	case p.Kind == "":
		return string(CPU)
	case p.Kind == CPU || p.Kind == Auto || p.Device == AnyDevice:
		return string(p.Kind)
	default:
		return fmt.Sprintf("%s:%d", p.Kind, p.Device)
	}
}

// Choose settles what was asked for on what this machine has, and says why. noGPU is the reason why devices is empty. A
// provider that was named and does not work is an error that wraps ErrProvider; Auto falls back, and says so.
func (r *Runtime) Choose(want Provider, devices []gpu.Device, noGPU error) (Provider, string, error) {
	switch want.Kind {
	case "", CPU:
		want.Kind, want.Device = CPU, 0
		return want, "asked for", nil
	case CUDA, TensorRT:
		p, err := r.settle(want, devices, noGPU)
		return p, "asked for", err
	}
	var reasons []string
	for _, kind := range []ProviderKind{TensorRT, CUDA} {
		try := want
		try.Kind = kind
		p, err := r.settle(try, devices, noGPU)
		if err == nil {
			return p, "the fastest that works here" + because(reasons), nil
		}
		reasons = append(reasons, err.Error())
	}
	want.Kind, want.Device = CPU, 0
	return want, "no GPU can be used" + because(reasons), nil
}

func because(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	return ": " + strings.Join(reasons, "; ")
}

// settle picks the device and tries the provider.
func (r *Runtime) settle(p Provider, devices []gpu.Device, noGPU error) (Provider, error) {
	best, ok := gpu.Freest(devices)
	if !ok {
		return p, fmt.Errorf("%w: %s: %v; install the NVIDIA driver, or choose --provider cpu", ErrProvider, p, noGPU)
	}
	if p.Device == AnyDevice {
		p.Device = best.Index
	}
	if p.Device >= len(devices) {
		return p, fmt.Errorf("%w: %s: this machine has GPUs 0 to %d", ErrProvider, p, len(devices)-1)
	}
	defer keepSignals()()
	options, err := ort.NewSessionOptions()
	if err != nil {
		return p, fmt.Errorf("%w: %s: %w", ErrProvider, p, err)
	}
	defer options.Destroy()
	if err := p.appendTo(options); err != nil {
		return p, fmt.Errorf("%s (library %s): %w", p, r.path, err)
	}
	return p, nil
}

// appendTo makes sessions run on the provider.
func (p Provider) appendTo(options *ort.SessionOptions) error {
	switch p.Kind {
	case "", CPU:
		return nil
	case TensorRT:
		if err := p.appendTensorRT(options); err != nil {
			return err
		}
	case CUDA:
	default:
		return fmt.Errorf("%w: %s must be settled by Choose first", ErrProvider, p)
	}
	if err := p.appendCUDA(options); err != nil { // TensorRT leaves it what it cannot do
		return err
	}
	if p.Strict {
		return options.AddSessionConfigEntry("session.disable_cpu_ep_fallback", "1")
	}
	return nil
}

func (p Provider) appendCUDA(options *ort.SessionOptions) error {
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return unavailable(CUDA, err)
	}
	defer cuda.Destroy()
	tf32 := "0"
	if p.TF32 {
		tf32 = "1"
	}
	if err := cuda.Update(map[string]string{"device_id": strconv.Itoa(p.Device), "use_tf32": tf32}); err != nil {
		return unavailable(CUDA, err)
	}
	if err := options.AppendExecutionProviderCUDA(cuda); err != nil {
		return unavailable(CUDA, err)
	}
	return nil
}

func (p Provider) appendTensorRT(options *ort.SessionOptions) error {
	trt, err := ort.NewTensorRTProviderOptions()
	if err != nil {
		return unavailable(TensorRT, err)
	}
	defer trt.Destroy()
	if err := trt.Update(map[string]string{"device_id": strconv.Itoa(p.Device)}); err != nil {
		return unavailable(TensorRT, err)
	}
	if err := options.AppendExecutionProviderTensorRT(trt); err != nil {
		return unavailable(TensorRT, err)
	}
	return nil
}

func unavailable(kind ProviderKind, err error) error {
	remedy := "use the gpu build of ONNX Runtime, with libonnxruntime_providers_cuda.so beside the library, and CUDA and cuDNN of its version"
	if kind == TensorRT {
		remedy = "use the gpu build of ONNX Runtime, with libonnxruntime_providers_tensorrt.so beside the library, and TensorRT of its version"
	}
	return fmt.Errorf("%w: %s: %v; %s", ErrProvider, kind, err, remedy)
}
