// Package gpu lists NVIDIA GPUs and what they are doing, by NVML. A machine without a driver has no GPU, which is no
// error:
//
//	board, err := gpu.Open(nil)
//	if errors.Is(err, gpu.ErrNone) {
//		// the reason is in err
//	}
//	defer board.Close()
//	devices, err := board.Devices()
//	best, ok := gpu.Freest(devices)
package gpu

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/prometheus/client_golang/prometheus"
)

// ErrNone says that there is no GPU to ask: no driver, or no device.
var ErrNone = errors.New("no NVIDIA GPU")

// Device is a GPU at one moment.
type Device struct {
	Index       int     `json:"index"`
	Name        string  `json:"name"`
	UUID        string  `json:"uuid"`
	MemoryTotal uint64  `json:"memory_total"` // bytes
	MemoryFree  uint64  `json:"memory_free"`  // bytes
	Utilization uint32  `json:"utilization"`  // percent of time
	Temperature uint32  `json:"temperature"`  // degrees Celsius
	PowerWatts  float64 `json:"power_watts"`
}

// Board is an open NVML. It is safe for concurrent use.
type Board struct {
	mu     sync.Mutex
	lib    nvml.Interface
	closed bool
	driver string
}

// Open starts NVML; lib is the driver's own when nil. Nothing but Open is ever asked of an NVML that did not start: that
// would end the process.
func Open(lib nvml.Interface) (*Board, error) {
	if lib == nil {
		lib = nvml.New()
	}
	if ret := lib.Init(); ret != nvml.SUCCESS {
		if ret == nvml.ERROR_LIBRARY_NOT_FOUND {
			return nil, fmt.Errorf("%w: no NVIDIA driver is installed (libnvidia-ml.so.1 is not found)", ErrNone)
		}
		return nil, fmt.Errorf("%w: NVML does not start: error %d; run nvidia-smi to see why", ErrNone, ret)
	}
	b := &Board{lib: lib}
	if version, ret := lib.SystemGetDriverVersion(); ret == nvml.SUCCESS {
		b.driver = version
	}
	return b, nil
}

// Driver returns the driver's version.
func (b *Board) Driver() string { return b.driver }

// Close ends NVML. Closing twice does nothing.
func (b *Board) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		b.lib.Shutdown()
	}
}

// Devices returns the GPUs in NVML's order. What a device does not tell is zero. The error wraps ErrNone where there are
// none, or where b is closed.
func (b *Board) Devices() ([]Device, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fmt.Errorf("%w: NVML is closed", ErrNone)
	}
	count, ret := b.lib.DeviceGetCount()
	if ret != nvml.SUCCESS || count == 0 {
		return nil, fmt.Errorf("%w: the driver lists %d devices (error %d)", ErrNone, count, ret)
	}
	devices := make([]Device, 0, count)
	for i := range count {
		handle, ret := b.lib.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			continue // lost, or not ours to see
		}
		devices = append(devices, read(i, handle))
	}
	return devices, nil
}

func read(index int, handle nvml.Device) Device {
	d := Device{Index: index}
	if name, ret := handle.GetName(); ret == nvml.SUCCESS {
		d.Name = name
	}
	if uuid, ret := handle.GetUUID(); ret == nvml.SUCCESS {
		d.UUID = uuid
	}
	if memory, ret := handle.GetMemoryInfo(); ret == nvml.SUCCESS {
		d.MemoryTotal, d.MemoryFree = memory.Total, memory.Free
	}
	return d.live(handle)
}

// live adds what changes from moment to moment. Not every board implements these calls, and a stand-in that lacks one
// may panic; a gauge that is missing is no reason to stop.
func (d Device) live(handle nvml.Device) (out Device) {
	out = d
	defer func() { _ = recover() }()
	if use, ret := handle.GetUtilizationRates(); ret == nvml.SUCCESS {
		out.Utilization = use.Gpu
	}
	if t, ret := handle.GetTemperature(nvml.TEMPERATURE_GPU); ret == nvml.SUCCESS {
		out.Temperature = t
	}
	if mw, ret := handle.GetPowerUsage(); ret == nvml.SUCCESS {
		out.PowerWatts = float64(mw) / 1000
	}
	return out
}

// Freest returns the device with the most free memory, the lower index among equals.
func Freest(devices []Device) (Device, bool) {
	if len(devices) == 0 {
		return Device{}, false
	}
	return slices.MinFunc(devices, func(a, b Device) int {
		return cmp.Or(cmp.Compare(b.MemoryFree, a.MemoryFree), cmp.Compare(a.Index, b.Index))
	}), true
}

// Collector tells Prometheus how the GPUs are doing, under the names that NVIDIA's DCGM exporter gives them.
func (b *Board) Collector() prometheus.Collector {
	labels := []string{"gpu", "UUID", "modelName"}
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, labels, nil) }
	return &collector{board: b,
		used:  desc("DCGM_FI_DEV_FB_USED", "Memory in use, MiB."),
		free:  desc("DCGM_FI_DEV_FB_FREE", "Memory free, MiB."),
		use:   desc("DCGM_FI_DEV_GPU_UTIL", "Utilization, percent."),
		temp:  desc("DCGM_FI_DEV_GPU_TEMP", "Temperature, degrees Celsius."),
		power: desc("DCGM_FI_DEV_POWER_USAGE", "Power, watts."),
	}
}

type collector struct {
	board                        *Board
	used, free, use, temp, power *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.used, c.free, c.use, c.temp, c.power} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	devices, err := c.board.Devices()
	if err != nil {
		return
	}
	const mib = 1 << 20
	for _, d := range devices {
		put := func(desc *prometheus.Desc, value float64) {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, fmt.Sprint(d.Index), d.UUID, d.Name)
		}
		put(c.used, float64(d.MemoryTotal-d.MemoryFree)/mib)
		put(c.free, float64(d.MemoryFree)/mib)
		put(c.use, float64(d.Utilization))
		put(c.temp, float64(d.Temperature))
		put(c.power, d.PowerWatts)
	}
}
