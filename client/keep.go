package client

import (
	"time"

	"google.golang.org/grpc/connectivity"
)

// tick is how often the miners are looked after.
const tick = 250 * time.Millisecond

// idleSubnet is after how long nobody looks after the miners of a subnet that nobody asks.
const idleSubnet = 5 * time.Minute

// background starts looking after the miners.
func (c *Client) background() {
	c.start.Do(func() { c.spawn(c.keep) })
}

// wakeUp has the miners looked after now.
func (c *Client) wakeUp() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// keep keeps spares ready, and sees whether miners that are isolated have come back, until the client is closed.
func (c *Client) keep() {
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-timer.C:
		case <-c.kick:
		}
		c.mu.Lock()
		lists := make([]*subnet, 0, len(c.subnets))
		for _, s := range c.subnets {
			lists = append(lists, s)
		}
		c.mu.Unlock()
		for _, s := range lists {
			if now := time.Now(); now.Sub(s.read) < idleSubnet {
				c.tend(s, now)
			}
		}
	}
}

// tend looks after the miners of a subnet.
func (c *Client) tend(s *subnet, now time.Time) {
	ready := 0
	for i := range s.candidates {
		one := &s.candidates[i]
		switch {
		case one.miner.probe(now):
			c.spawn(func() { c.probe(one) })
		case ready <= c.options.Spares && one.miner.open(now) && c.prepare(one):
			ready++
		}
	}
}

// prepare connects to a miner, and sees to a channel where it wants to be paid. It reports whether the miner may be
// counted on: not where no connection can be made.
func (c *Client) prepare(one *candidate) bool {
	conn, err := c.pool.conn(one.poolKey, one.neuron.Endpoint)
	if err != nil {
		return false // the first call will say so
	}
	switch conn.GetState() {
	case connectivity.TransientFailure, connectivity.Shutdown:
		return false
	case connectivity.Idle:
		conn.Connect()
	case connectivity.Ready:
		if c.pays(one) && one.dearer(c.options.MaxPrice, 0) == nil {
			c.options.Wallet.Prepare(one.payee)
		}
	}
	return true
}

// probe sees whether an isolated miner gives a sign of life.
func (c *Client) probe(one *candidate) {
	if !one.miner.probing.CompareAndSwap(false, true) {
		return
	}
	defer one.miner.probing.Store(false)
	conn, err := c.pool.conn(one.poolKey, one.neuron.Endpoint)
	if err != nil {
		return
	}
	conn.Connect()
	c.alive(c.ctx, conn, one.miner)
}
