"""The machine's limits as bench/machine/ceilings.cpp writes them into the context, and as numbers."""

import re

from .errors import BadInput

NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
PEAK = re.compile(rf"({NUMBER}) GFLOP/s(?:, .*)?")
READ = re.compile(rf"(\w+) \([^)]*\): ({NUMBER}) GB/s(?:, .*)?")
NOT_READ = re.compile(r"\w+: .+")  # a level that could not be measured, with the reason
CACHE = re.compile(rf"(L[0-9]) ({NUMBER}) ?([KMG])")
PEAK_EXAMPLE = "285.8 GFLOP/s, 63.4 FLOP/cycle per core at 4.51 GHz"
READS_EXAMPLE = "L1 (24 KiB): 516.7 GB/s; memory (132.2 MiB): 49.5 GB/s"


def peak(context, key):
    """GFLOP/s, or None where the file has no such ceiling."""
    text = context.get(key)
    if text is None:
        return None
    found = PEAK.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise BadInput(f"context: {key} is {text!r:.80}; it should be like '{PEAK_EXAMPLE}'")
    return float(found[1]) or None


def reads(context, key):
    """GB/s by level: {"L1": 510.9, ..., "memory": 45.4}; a level that was not measured is left out."""
    text = context.get(key)
    if text is None:
        return {}
    parts = text.split("; ") if isinstance(text, str) else [""]
    found = [READ.fullmatch(part) for part in parts]
    if not all(match or NOT_READ.fullmatch(part) for match, part in zip(found, parts)):
        raise BadInput(f"context: {key} is {text!r:.80}; it should be like '{READS_EXAMPLE}'")
    return {match[1]: float(match[2]) for match in found if match and float(match[2])}


def check(context):
    """Every ceiling of the file can be read."""
    for key in context:
        if key.startswith(("fma_peak_", "amx_bf16_peak_")):
            peak(context, key)
        elif key.startswith("read_bandwidth_"):
            reads(context, key)


def cache_bytes(text):
    """{"L1": 49152, ...}; older files write 48K for 48 KiB."""
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    return {level: float(size) * units[unit] for level, size, unit in CACHE.findall(text)}
