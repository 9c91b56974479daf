#!/usr/bin/env python3
"""Times one epoch of Yuma on float64 numpy: the straightforward implementation that the Go engine is compared with.

Prints epochs per second, by the fastest epoch, for a subnet of MINERS miners and VALIDATORS validators (default 448 and 64), using one core.
The epoch is that of docs/protocol.md section 5 for Yuma3 without liquid alpha, from stored u16 weights and bonds to
stored u16 outputs: permits, masks, row normalisation, the stake-weighted median of every column, clipping, ranks,
trust, incentive, bonds and dividends.

    OMP_NUM_THREADS=1 python3 scripts/bench_yuma_numpy.py [MINERS VALIDATORS SECONDS]
"""

import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np  # noqa: E402  (the thread count must be set before)

KAPPA = 32767 / 65535
ALPHA = 0.1
PENALTY = 1.0
CUTOFF = 5000
U16 = 65535


def normalise(v, axis=None):
    total = v.sum(axis=axis, keepdims=axis is not None)
    return np.divide(v, total, out=np.zeros_like(v), where=total != 0)


def permits(stake, count):
    """The largest non-zero stakes, ties to the higher uid."""
    permit = np.zeros(len(stake), bool)
    permit[np.argsort(stake, kind="stable")[-count:]] = True
    return permit & (stake > 0)


def weighted_median(stake, weights):
    """For each column the smallest weight such that the stake that gave at most that much exceeds 1 - kappa."""
    order = np.argsort(weights, axis=0)
    below = np.cumsum(stake[order], axis=0)
    first = np.argmax(below > stake.sum() - KAPPA, axis=0)
    columns = np.arange(weights.shape[1])
    return weights[order[first, columns], columns]


def stored(v):
    return np.floor(v * U16).astype(np.uint16)


def epoch(s):
    """One epoch: weights and bonds as stored (u16), masks by activity, permit and registration, all outputs as u16."""
    stake = normalise(s["stake"])
    permit = permits(stake, len(stake))
    active = s["last_update"] + CUTOFF >= s["height"]
    a = normalise(np.where(active & s["permit"], stake, 0.0))
    w = np.where(s["permit"][:, None], s["weights"].astype(np.float64), 0.0)
    w[s["last_update"][:, None] <= s["registered"][None, :]] = 0
    w = normalise(w, axis=1)
    consensus = weighted_median(a, w)
    clipped = np.minimum(w, consensus)
    validator_trust = clipped.sum(axis=1)
    before = a @ w
    rank = a @ clipped
    trust = np.divide(rank, before, out=np.zeros_like(rank), where=before != 0)
    incentive = normalise(rank)
    for_bonds = w + PENALTY * (clipped - w)
    bonds = s["bonds"] / U16
    bonds[:, s["last_epoch"] <= s["registered"]] = 0
    bonds = np.clip(ALPHA * for_bonds + (1 - ALPHA) * bonds, 0, 1)
    dividends = normalise((normalise(bonds, axis=0) @ incentive) * a)
    both = incentive.sum() + dividends.sum()
    shares = (incentive / both, dividends / both) if both else (incentive, a if a.any() else stake)
    bonds[~permit] = 0
    vectors = [stored(v) for v in (stake, consensus, rank, trust, validator_trust, incentive, dividends)]
    return vectors, shares, permit, active, stored(bonds)


def main():
    miners, validators = (int(x) for x in sys.argv[1:3]) if len(sys.argv) > 2 else (448, 64)
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 2.0
    rng = np.random.default_rng(7)
    quality = rng.uniform(0.2, 1.2, miners)
    noise = 1 + 0.4 * rng.standard_normal((validators, miners))
    state = {
        "height": 10_000,
        "last_epoch": 9_640,
        "stake": rng.integers(10**12, 2 * 10**12, validators).astype(np.float64),
        "last_update": np.full(validators, 9_990),
        "registered": np.arange(miners),
        "permit": np.ones(validators, bool),
        "weights": np.floor(np.clip(quality * noise, 0.01, 3) * 21000).astype(np.uint16),
        "bonds": np.zeros((validators, miners), np.uint16),
    }
    for _ in range(3):
        state["bonds"] = epoch(state)[-1]
    start, fastest = time.perf_counter(), float("inf")
    while time.perf_counter() - start < seconds:
        began = time.perf_counter()
        epoch(state)
        fastest = min(fastest, time.perf_counter() - began)
    print(f"{1 / fastest:.1f}")


if __name__ == "__main__":
    main()
