package economy

import (
	"math"
	"math/rand/v2"

	"github.com/plexusnet/plexus/sims/random"
)

// price is the price of a PLX in USD.
type price struct {
	now  float64
	flow float64 // USD bought less sold since the last step
	rand *rand.Rand
}

func newPrice(c *Config, s random.Source) price {
	return price{now: c.Price.Start, rand: s.Stream("price")}
}

// step moves the price by so many years. Every process draws one number, so
// that changing the process leaves the others theirs.
func (p *price) step(c *Price, years float64) {
	noise := p.rand.NormFloat64() * c.Volatility * math.Sqrt(years)
	switch c.Process {
	case PriceGBM:
		p.now *= math.Exp(c.Drift*years - c.Volatility*c.Volatility*years/2 + noise)
	case PriceMeanReverting:
		// The exact transition of an Ornstein-Uhlenbeck process.
		x, level := math.Log(p.now), math.Log(c.Level)
		keep := math.Exp(-c.Reversion * years)
		scale := 1.0
		if c.Reversion > 0 {
			scale = math.Sqrt((1 - keep*keep) / (2 * c.Reversion * years))
		}
		p.now = math.Exp(level + (x-level)*keep + noise*scale)
	case PriceFlows:
		p.now *= math.Exp(c.Drift*years + p.flow/c.Depth + noise)
	}
	p.flow = 0
	p.now = min(max(p.now, 1e-12), 1e12)
}
