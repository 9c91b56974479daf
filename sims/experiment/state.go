package experiment

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
)

// A checkpoint is the magic, the length of a header, the header as JSON, then the axis and the used part of both grids
// in little-endian binary, then the CRC of all of it.
const checkpointMagic = "plexus-sim-1\n"

type checkpoint struct {
	Next    int   `json:"next"`
	Plan    plan  `json:"plan"`
	Width   int   `json:"width"`
	Rows    int   `json:"rows"`
	Runs    int64 `json:"runs_bytes"`    // good bytes of runs.csv
	Records int64 `json:"records_bytes"` // and of the records
}

// save writes a checkpoint.
func (f *folder) save(s state) error {
	if s.cells == nil {
		return nil // nothing is done yet
	}
	if err := errors.Join(f.runsFile.sync(), f.recordsFile.sync()); err != nil {
		return err
	}
	header, err := json.Marshal(checkpoint{Next: s.next, Plan: s.plan, Width: s.cells.width, Rows: len(s.axis.moments),
		Runs: f.runsFile.written(), Records: f.recordsFile.written()})
	if err != nil {
		return err
	}
	return f.write(UnfinishedFile, func(out io.Writer) error {
		sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
		e := &encoder{out: io.MultiWriter(out, sum)}
		e.buf = append(e.buf, checkpointMagic...)
		e.uint32(uint32(len(header)))
		e.buf = append(e.buf, header...)
		for i, m := range s.axis.moments {
			e.uint64(m.step)
			e.float(m.seconds)
			e.uint32(uint32(s.axis.row[i]))
		}
		e.grid(s.cells)
		e.grid(s.ends)
		e.flush()
		if e.err != nil {
			return e.err
		}
		return binary.Write(out, binary.LittleEndian, sum.Sum32())
	})
}

// load reads the checkpoint back; without one the state is that of the start.
func (f *folder) load() (s state, c checkpoint, err error) {
	file, err := os.Open(f.path(UnfinishedFile))
	if err != nil {
		return s, c, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return s, c, err
	}
	if err := verify(file, info.Size()); err != nil {
		return s, c, fmt.Errorf("%w: the checkpoint %s is damaged (%w): remove the folder and start again", ErrFolder, file.Name(), err)
	}
	d := &decoder{in: bufio.NewReaderSize(file, 1<<16)}
	d.bytes(len(checkpointMagic))
	if err := json.Unmarshal(d.bytes(int(d.uint32())), &c); err != nil {
		return s, c, fmt.Errorf("checkpoint %s: %w", file.Name(), err)
	}
	s.next, s.plan = c.Next, c.Plan
	for range c.Rows {
		s.axis.moments = append(s.axis.moments, moment{step: d.uint64(), seconds: d.float()})
		s.axis.row = append(s.axis.row, int32(d.uint32()))
	}
	s.cells, s.ends = newGrid(c.Width, c.Plan.Sketch), newGrid(2*c.Width, c.Plan.Ends)
	d.grid(s.cells, c.Rows)
	d.grid(s.ends, 1)
	return s, c, d.err
}

// verify checks the magic and the sum, and leaves the file at its start.
func verify(file *os.File, size int64) error {
	start := make([]byte, len(checkpointMagic))
	if _, err := io.ReadFull(file, start); err != nil || string(start) != checkpointMagic {
		return errors.New("it is none of this program")
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.CopyN(sum, file, size-4); err != nil {
		return err
	}
	var want uint32
	if err := binary.Read(file, binary.LittleEndian, &want); err != nil {
		return err
	}
	if want != sum.Sum32() {
		return errors.New("its sum does not match")
	}
	_, err := file.Seek(0, io.SeekStart)
	return err
}

// restore sets the runner to where the folder's checkpoint is, and opens the files that grow.
func (r *runner) restore() error {
	if r.folder == nil {
		return nil
	}
	var c checkpoint
	if r.folder.resumed {
		var err error
		if r.state, c, err = r.folder.load(); err != nil {
			return err
		}
	}
	if r.keepRuns && r.next > 0 {
		var err error
		if r.perRun, err = r.folder.perRun(len(r.columns), r.next); err != nil {
			return err
		}
	}
	return r.folder.grow(r, c)
}

// encoder writes binary values and keeps the first error.
type encoder struct {
	out io.Writer
	buf []byte
	err error
}

func (e *encoder) uint32(v uint32) { e.buf = binary.LittleEndian.AppendUint32(e.buf, v) }
func (e *encoder) uint64(v uint64) { e.buf = binary.LittleEndian.AppendUint64(e.buf, v); e.spill() }
func (e *encoder) float(v float64) { e.uint64(math.Float64bits(v)) }

func (e *encoder) spill() {
	if len(e.buf) >= 1<<16 {
		e.flush()
	}
}

func (e *encoder) flush() {
	if e.err == nil {
		_, e.err = e.out.Write(e.buf)
	}
	e.buf = e.buf[:0]
}

func (e *encoder) grid(g *grid) {
	for row, n := range g.runs {
		e.uint32(n)
		at := g.at[row]
		for cell := at.cell; cell < at.cell+g.width; cell++ {
			m, used := at.slab.moments[cell], at.slab.used[cell]
			e.float(m.mean)
			e.float(m.squares)
			e.float(m.min)
			e.float(m.max)
			e.uint32(used)
			for k := cell * g.size; k < cell*g.size+int(used); k++ {
				e.float(at.slab.means[k])
				e.uint32(at.slab.weights[k])
			}
		}
	}
}

// decoder reads what encoder wrote, from a file whose sum was found right.
type decoder struct {
	in  io.Reader
	buf [8]byte
	err error
}

func (d *decoder) read(n int) []byte {
	if d.err == nil {
		_, d.err = io.ReadFull(d.in, d.buf[:n])
	}
	return d.buf[:n]
}

func (d *decoder) bytes(n int) []byte {
	b := make([]byte, n)
	if d.err == nil {
		_, d.err = io.ReadFull(d.in, b)
	}
	return b
}

func (d *decoder) uint32() uint32 { return binary.LittleEndian.Uint32(d.read(4)) }
func (d *decoder) uint64() uint64 { return binary.LittleEndian.Uint64(d.read(8)) }
func (d *decoder) float() float64 { return math.Float64frombits(d.uint64()) }

func (d *decoder) grid(g *grid, rows int) {
	g.grow(rows)
	for row := range rows {
		g.runs[row] = d.uint32()
		at := g.at[row]
		for cell := at.cell; cell < at.cell+g.width && d.err == nil; cell++ {
			at.slab.moments[cell] = cellMoments{mean: d.float(), squares: d.float(), min: d.float(), max: d.float()}
			used := d.uint32()
			at.slab.used[cell] = used
			for k := cell * g.size; k < cell*g.size+int(used) && d.err == nil; k++ {
				at.slab.means[k] = d.float()
				at.slab.weights[k] = d.uint32()
			}
		}
	}
}
