package minercmd

import (
	"cmp"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/metagraph"
)

// maxPrice is the most that the chain takes as a price: all nplx that there can be.
const maxPrice = 21_000_000 * amount.PLX

// prices are the flags that say what a request costs.
type prices struct {
	request, input, output, compute string // amounts
}

func (p *prices) add(f *pflag.FlagSet) {
	f.StringVar(&p.request, "price", "0nplx", "price per request to announce")
	f.StringVar(&p.input, "price-input-kib", "0nplx", "price per KiB of input to announce, beside --price")
	f.StringVar(&p.output, "price-output-kib", "0nplx", "price per KiB of output to announce, beside --price")
	f.StringVar(&p.compute, "price-compute-second", "0nplx", "price per second of compute to announce, beside --price")
}

// set writes the prices into what is announced, or says which flag is wrong.
func (p *prices) set(e *metagraph.Endpoint) error {
	return cmp.Or(
		parsePrice("price", p.request, &e.Price),
		parsePrice("price-input-kib", p.input, &e.InputPrice),
		parsePrice("price-output-kib", p.output, &e.OutputPrice),
		parsePrice("price-compute-second", p.compute, &e.ComputePrice))
}

func parsePrice(flag, text string, to *uint64) error {
	nplx, err := amount.Parse(text)
	if err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	if nplx > maxPrice {
		return fmt.Errorf("--%s: %s is more than the %s that there can be", flag, amount.Format(nplx), amount.Format(maxPrice))
	}
	*to = nplx
	return nil
}
