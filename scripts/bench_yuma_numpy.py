#!/usr/bin/env python3
"""Times one epoch of Yuma on float64 numpy: the straightforward implementation that the Go engine is compared with.

Prints epochs per second, by the fastest epoch, for a subnet of MINERS miners and VALIDATORS validators (default 448 and 64), using one core.
The epoch is that of docs/protocol.md section 5 for Yuma3 without liquid alpha: masks, row normalisation, the
stake-weighted median of every column, clipping, ranks, trust, incentive, bonds and dividends.

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


def normalise(v, axis=None):
    total = v.sum(axis=axis, keepdims=axis is not None)
    return np.divide(v, total, out=np.zeros_like(v), where=total != 0)


def weighted_median(stake, weights):
    """For each column the smallest weight such that the stake that gave at most that much exceeds 1 - kappa."""
    order = np.argsort(weights, axis=0)
    below = np.cumsum(stake[order], axis=0)
    first = np.argmax(below > stake.sum() - KAPPA, axis=0)
    columns = np.arange(weights.shape[1])
    return weights[order[first, columns], columns]


def epoch(stake, weights, mask, bonds):
    active = normalise(stake)
    w = normalise(np.where(mask, 0.0, weights), axis=1)
    consensus = weighted_median(active, w)
    clipped = np.minimum(w, consensus)
    trust_of_validators = clipped.sum(axis=1)
    before = active @ w
    rank = active @ clipped
    trust = np.divide(rank, before, out=np.zeros_like(rank), where=before != 0)
    incentive = normalise(rank)
    new = np.clip(ALPHA * clipped + (1 - ALPHA) * bonds, 0, 1)
    dividends = normalise((normalise(new, axis=0) @ incentive) * active)
    both = incentive.sum() + dividends.sum()
    stored = np.floor(new * 65535) / 65535
    return consensus, trust_of_validators, trust, incentive / both, dividends / both, stored


def main():
    miners, validators = (int(x) for x in sys.argv[1:3]) if len(sys.argv) > 2 else (448, 64)
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 2.0
    rng = np.random.default_rng(7)
    stake = rng.uniform(1e12, 2e12, validators)
    quality = rng.uniform(0.2, 1.2, miners)
    weights = np.floor(np.clip(quality * (1 + 0.4 * rng.standard_normal((validators, miners))), 0.01, 3) * 21000)
    mask = np.zeros(weights.shape, bool)
    bonds = np.zeros(weights.shape)
    for _ in range(3):
        bonds = epoch(stake, weights, mask, bonds)[-1]
    start, fastest = time.perf_counter(), float("inf")
    while time.perf_counter() - start < seconds:
        began = time.perf_counter()
        epoch(stake, weights, mask, bonds)
        fastest = min(fastest, time.perf_counter() - began)
    print(f"{1 / fastest:.1f}")


if __name__ == "__main__":
    main()
