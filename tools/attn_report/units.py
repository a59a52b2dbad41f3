"""Figures as a person reads them: three digits and a unit."""

import math


def digits(value, count=3):
    """Exactly so many digits, never an exponent: 21.9, 0.970, 1310."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    # Rounded first: 99.96 is 100, not 100.0.
    rounded = float(f"{value:.{count}g}")
    return f"{rounded:.{max(0, count - 1 - math.floor(math.log10(abs(rounded))))}f}"


def time(us):
    """Of a call: in microseconds below one millisecond."""
    return "" if math.isnan(us) else f"{digits(us)} µs" if us < 999.5 else f"{digits(us / 1e3)} ms"


def count(value):
    for unit, size in ((" M", 1e6), (" k", 1e3)):
        if value >= 0.9995 * size:
            return digits(value / size) + unit
    return digits(value)
