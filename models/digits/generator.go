package digits

import (
	"image"
	"math"
	"math/rand/v2"

	"github.com/plexusnet/plexus/models"
)

// Seed is where a generator starts. The same seed draws the same challenges.
type Seed = models.Seed

// RandomSeed returns a seed of 256 random bits, for challenges that nobody can foresee.
func RandomSeed() (Seed, error) { return models.RandomSeed() }

// FixedSeed returns the n-th seed for a purpose within the task: see models.FixedSeed.
func FixedSeed(purpose string, n uint64) Seed { return models.FixedSeed(Name, purpose, n) }

// Generator draws one challenge after the other. It is not safe for concurrent use; make one per goroutine.
type Generator struct {
	drawer *Drawer
	random *rand.Rand
	canvas canvas
}

// Generator returns a generator that starts from seed.
func (d *Drawer) Generator(seed Seed) *Generator {
	return &Generator{drawer: d, random: rand.New(rand.NewChaCha8(seed))}
}

// How far an image may be taken from a cleanly printed digit. Each image draws its own amounts from these ranges.
const (
	maxTurn      = 18 * math.Pi / 180 // radians either way
	maxShear     = 0.2
	minHeight    = 15.0 // pixels that the digit is high
	maxHeight    = 23.0
	maxStretch   = 1.25 // width against height, and its inverse
	maxShift     = 3.0  // pixels either way
	maxBend      = 1.2  // pixels that a wave through the image moves a point
	minBendWave  = 20.0 // pixels of the wave's length
	maxBlur      = 1.0  // pixels, standard deviation
	minContrast  = 0.35 // ink against background, of the whole range
	maxPaper     = 0.3  // brightness of the background
	maxSlope     = 0.25 // change of the background across the image
	maxNoise     = 0.25 // standard deviation, of the contrast
	maxCovers    = 2    // bars over the image
	maxCoverSize = 7.0  // pixels
	maxStrays    = 2    // thin lines that belong to nothing
)

// Next draws a challenge. Its image belongs to the caller.
func (g *Generator) Next() Challenge {
	label := g.random.IntN(Classes)
	face := &g.drawer.masks[g.random.IntN(len(g.drawer.masks))]
	g.canvas.clear()
	g.ink(&face[label])
	for range g.random.IntN(maxStrays + 1) {
		g.stray()
	}
	g.canvas.blur(g.between(0, maxBlur))
	for range g.random.IntN(maxCovers + 1) {
		g.cover()
	}
	return Challenge{Image: g.develop(), Label: label}
}

func (g *Generator) between(low, high float64) float32 {
	return float32(low + (high-low)*g.random.Float64())
}

// ink draws the digit through a random map from the image to its mask.
func (g *Generator) ink(m *mask) {
	turn, shear := float64(g.between(-maxTurn, maxTurn)), g.between(-maxShear, maxShear)
	height := g.between(minHeight, maxHeight)
	stretch := float32(math.Pow(maxStretch, float64(g.between(-1, 1))))
	shiftX, shiftY := g.between(-maxShift, maxShift), g.between(-maxShift, maxShift)
	bend := newWave(g)

	sin, cos := float32(math.Sin(turn)), float32(math.Cos(turn))
	zoomY := maskHeight / height
	zoomX := zoomY / stretch
	for y := range Size {
		for x := range Size {
			px, py := bend.moved(x, y)
			px, py = px-shiftX, py-shiftY
			px, py = cos*px+sin*py, cos*py-sin*px
			px += shear * py
			g.canvas[y*Size+x] = m.sample(px*zoomX+maskSize/2, py*zoomY+maskSize/2)
		}
	}
}

// wave bends an image: each row is moved sideways and each column up or down, by sines.
type wave struct{ row, column [Size]float32 }

func newWave(g *Generator) *wave {
	w := &wave{}
	w.fill(&w.row, g)
	w.fill(&w.column, g)
	return w
}

func (w *wave) fill(moves *[Size]float32, g *Generator) {
	size, phase := float64(g.between(0, maxBend)), 2*math.Pi*g.random.Float64()
	length := float64(g.between(minBendWave, 3*minBendWave))
	for i := range moves {
		moves[i] = float32(size * math.Sin(phase+2*math.Pi*float64(i)/length))
	}
}

// moved returns where the pixel at x, y looks, counted from the middle of the image.
func (w *wave) moved(x, y int) (float32, float32) {
	const middle = Size/2 - 0.5
	return float32(x) - middle + w.row[y], float32(y) - middle + w.column[x]
}

// stray draws a thin line across a part of the image.
func (g *Generator) stray() {
	x, y := g.between(0, Size), g.between(0, Size)
	angle, length := 2*math.Pi*g.random.Float64(), g.between(4, 14)
	dx, dy := float32(math.Cos(angle)), float32(math.Sin(angle))
	strength := g.between(0.3, 0.9)
	for step := float32(0); step < length; step += 0.5 {
		px, py := int(x+dx*step), int(y+dy*step)
		if px >= 0 && py >= 0 && px < Size && py < Size {
			at := &g.canvas[py*Size+px]
			*at = max(*at, strength)
		}
	}
}

// cover puts a bar of even brightness over a part of the image.
func (g *Generator) cover() {
	width, height := int(g.between(1, maxCoverSize)), int(g.between(1, maxCoverSize))
	left, top := g.random.IntN(Size-width), g.random.IntN(Size-height)
	shade := g.between(0, 0.6)
	for y := top; y < top+height; y++ {
		for x := left; x < left+width; x++ {
			g.canvas[y*Size+x] = shade
		}
	}
}

// develop turns ink into grey: paper of uneven brightness, limited contrast, noise.
func (g *Generator) develop() *image.Gray {
	paper := g.between(0, maxPaper)
	contrast := g.between(minContrast, 1) * (1 - paper)
	slopeX, slopeY := g.between(-maxSlope, maxSlope)/Size, g.between(-maxSlope, maxSlope)/Size
	noise := contrast * g.between(0, maxNoise)
	img := image.NewGray(image.Rect(0, 0, Size, Size))
	for y := range Size {
		for x := range Size {
			background := paper + slopeX*float32(x-Size/2) + slopeY*float32(y-Size/2)
			value := background + contrast*g.canvas[y*Size+x] + noise*float32(g.random.NormFloat64())
			img.Pix[y*img.Stride+x] = uint8(255*min(1, max(0, value)) + 0.5)
		}
	}
	return img
}

// canvas is ink per pixel, 0 to 1.
type canvas [Size * Size]float32

func (c *canvas) clear() { *c = canvas{} }

// blur smooths by a Gaussian of that standard deviation in pixels, cut off after 2 pixels.
func (c *canvas) blur(deviation float32) {
	if deviation < 0.3 {
		return
	}
	var kernel [3]float32
	for i := range kernel {
		kernel[i] = float32(math.Exp(-float64(i*i) / float64(2*deviation*deviation)))
	}
	sum := kernel[0] + 2*kernel[1] + 2*kernel[2]
	for i := range kernel {
		kernel[i] /= sum
	}
	var across canvas
	smooth(&across, c, kernel, Size, 1)
	smooth(c, &across, kernel, 1, Size)
}

// smooth filters each line of Size pixels that lie step apart; lines lie lineStep apart.
func smooth(dst, src *canvas, kernel [3]float32, lineStep, step int) {
	for line := range Size {
		first := line * lineStep
		at := func(i int) float32 {
			if i < 0 || i >= Size {
				return 0
			}
			return src[first+i*step]
		}
		for i := range Size {
			dst[first+i*step] = kernel[0]*at(i) + kernel[1]*(at(i-1)+at(i+1)) + kernel[2]*(at(i-2)+at(i+2))
		}
	}
}
