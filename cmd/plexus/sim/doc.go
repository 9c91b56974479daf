// Package simcmd is `plexus sim`: what happens if. It runs scenarios many times, sweeps their parameters, compares
// variants and says which parameters matter.
package simcmd
