#!/usr/bin/env python3
"""Times a small economy of stocks and flows in plain Python and in numpy, beside which sims/dynamics is measured.

The economy is that of sims/dynamics/bench_test.go: minting that decays, staking, unstaking and burning. Every step is
recorded. Plain Python advances one run; numpy advances RUNS runs side by side, which is how it is used well. Prints, on
a line each: run-steps per second of plain Python, of numpy, and the liquid stock after STEPS steps by each.

    OMP_NUM_THREADS=1 python3 scripts/bench_dynamics.py [STEPS RUNS]
"""

import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np  # noqa: E402  (the thread count must be set before)


def step(liquid, staked, burned, least):
    minted = 1e-6 * (21e6 - liquid - staked - burned)
    stake = least(1e-4 * liquid, liquid + minted)
    unstake = least(5e-5 * staked, staked + stake)
    burn = least(1e-7 * liquid, liquid + minted - stake + unstake)
    return liquid + minted - stake + unstake - burn, staked + stake - unstake, burned + burn


def plain(steps):
    liquid, staked, burned = 1e6, 0.0, 0.0
    records = []
    began = time.perf_counter()
    for _ in range(steps):
        liquid, staked, burned = step(liquid, staked, burned, min)
        records.append((liquid, staked, burned))
    return steps / (time.perf_counter() - began), liquid


def vector(steps, runs):
    liquid, staked, burned = np.full(runs, 1e6), np.zeros(runs), np.zeros(runs)
    records = np.empty((steps, 3, runs))
    began = time.perf_counter()
    for i in range(steps):
        liquid, staked, burned = step(liquid, staked, burned, np.minimum)
        records[i, 0], records[i, 1], records[i, 2] = liquid, staked, burned
    return steps * runs / (time.perf_counter() - began), liquid[0]


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    plain_rate, plain_end = plain(steps)
    vector_rate, vector_end = vector(steps, runs)
    print(plain_rate, vector_rate, repr(plain_end), repr(float(vector_end)), sep="\n")
