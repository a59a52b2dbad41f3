"""The middle of repetitions and how sure it is, without assuming a distribution."""

import math

CONFIDENCE = 0.95
OF_MEDIAN = "95 % interval of the median"
RANGE = "range of the repetitions"


def middle(items, key):
    """The item of median key; of an even count the lower of the two in the middle, so that it is one that was there."""
    return sorted(items, key=key)[(len(items) - 1) // 2]


def of_median(values):
    """(low, high, kind): the narrowest pair of order statistics that covers the median with 95 %; up to five values
    no pair does, then their whole range.

    Source: H. A. David and H. N. Nagaraja, Order Statistics, section 7.1: the k-th smallest and the k-th largest of n
    cover the median with 1 - 2 P(Bin(n, 1/2) < k).
    """
    ordered, n = sorted(values), len(values)
    missed, trimmed = 0.0, 0
    while trimmed < n // 2:
        missed += 2 * math.comb(n, trimmed) / 2**n
        if missed > 1 - CONFIDENCE:
            break
        trimmed += 1
    if trimmed == 0:
        return ordered[0], ordered[-1], RANGE
    return ordered[trimmed - 1], ordered[n - trimmed], OF_MEDIAN
