#!/usr/bin/env python3
"""GFLOPS of a matrix product in double precision, and the norm of the product.

usage: norm.py [N [REPETITIONS]]   (default: 4000 5)
"""

import os
import sys
import time

# Before numpy is loaded, since OpenBLAS reads its settings then. It does not know lists such as "4,2".
os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "").split(",")[0] or str(
    len(os.sched_getaffinity(0))
)

import numpy as np  # noqa: E402


def argument(position, name, default, least):
    """The whole number at `position` of the command line."""
    if len(sys.argv) <= position:
        return default
    try:
        value = int(sys.argv[position])
    except ValueError:
        value = least - 1
    if value < least:
        sys.exit(f"norm.py: {name} must be a whole number of at least {least}, not {sys.argv[position]!r}")
    return value


def main():
    if len(sys.argv) > 3:
        sys.exit("usage: norm.py [N [REPETITIONS]]")
    n = argument(1, "N", 4000, 2)
    repetitions = argument(2, "REPETITIONS", 5, 1)

    random = np.random.default_rng(12345)
    a = random.standard_normal((n, n))
    b = random.standard_normal((n, n))
    print(f"Matrix product of {n} x {n} doubles, {os.environ['OMP_NUM_THREADS']} threads, numpy {np.__version__}")

    (a[:100, :100] @ b[:100, :100]).sum()  # starts the threads
    rates = []
    for repetition in range(1, repetitions + 1):
        start = time.perf_counter()
        product = a @ b
        seconds = time.perf_counter() - start
        rates.append(2 * n**3 / seconds / 1e9)
        print(f"{repetition:4d}: {seconds:9.4f} s {rates[-1]:10.2f} GFLOPS", flush=True)

    norm = np.linalg.norm(product)
    print(f"best {max(rates):.2f} GFLOPS, average {sum(rates) / len(rates):.2f} GFLOPS")
    print(f"norm {norm:.12e}")

    # The same product times a vector, by another way: two matrix-vector products.
    x = random.standard_normal(n)
    error = np.linalg.norm(product @ x - a @ (b @ x)) / (norm * np.linalg.norm(x))
    print(f"relative error {error:.1e}")
    if not error < 1e-14 * n:
        sys.exit("norm.py: the product is wrong")


main()
