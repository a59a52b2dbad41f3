#!/usr/bin/env python3
"""Writes e_process.csv: ln e of the sign e-process, computed by scipy in another way than bench/gate/e_process.cpp does:
as the integral of the likelihood over all coins with P(hit) > 1/2, an incomplete beta function, where the C++ code sums
a binomial tail. And by exact fractions, which must agree. Run: python3 -m pip install scipy==1.17.1; tests/golden/e_process.py"""

import math
from fractions import Fraction
from pathlib import Path

from scipy import special

COUNTS = [(0, 0), (0, 1), (1, 1), (6, 6), (7, 7), (6, 7), (0, 7), (8, 8), (9, 9), (9, 10), (10, 11), (11, 12), (15, 15),
          (14, 15), (16, 17), (20, 40), (31, 40), (0, 40), (40, 40), (60, 100), (75, 100), (99, 100), (300, 600),
          (400, 600), (1000, 1000), (0, 1000), (500, 1000), (700, 1000)]


def by_scipy(hits, signs):
    # ln of 2^(n+1) * integral over p in (1/2, 1) of p^h (1-p)^(n-h)
    tail = special.log1p(-special.betainc(hits + 1, signs - hits + 1, 0.5))
    if not math.isfinite(tail) or tail < -20:  # the complement says it better
        tail = math.log(special.betainc(signs - hits + 1, hits + 1, 0.5))
    return (signs + 1) * math.log(2) + special.betaln(hits + 1, signs - hits + 1) + tail


def by_fractions(hits, signs):
    tail = sum(math.comb(signs + 1, i) for i in range(hits + 1))
    value = Fraction(tail, (signs + 1) * math.comb(signs, hits))
    return math.log(value.numerator) - math.log(value.denominator)


def main():
    lines = ["hits,signs,log_e"]
    for hits, signs in COUNTS:
        value, exact = by_scipy(hits, signs), by_fractions(hits, signs)
        assert math.isclose(value, exact, rel_tol=1e-9, abs_tol=1e-9), (hits, signs, value, exact)
        lines.append(f"{hits},{signs},{value:.12g}")
    Path(__file__).with_suffix(".csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
