"""The machine's limits, which bench/machine/ceilings.hpp writes into the context as numbers. Files from before wrote them as
text, one key each; these are read, too."""

import math
import re

from .errors import BadInput

NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
PEAK = re.compile(rf"({NUMBER}) GFLOP/s(?:, .*)?")
READ = re.compile(rf"(\w+) \([^)]*\): ({NUMBER}) GB/s(?:, .*)?")
NOT_READ = re.compile(r"\w+: .+")  # a level that could not be measured, with the reason
CACHE = re.compile(rf"(L[0-9]) ({NUMBER}) ?([KMG])")
PEAK_EXAMPLE = "285.8 GFLOP/s, 63.4 FLOP/cycle per core at 4.51 GHz"
READS_EXAMPLE = "L1 (24 KiB): 516.7 GB/s; memory (132.2 MiB): 49.5 GB/s"
# kind of a ceiling: (its key in older files, its unit, per cycle)
COMPUTE = {"f32_fma": ("fma_peak", "flops", "GFLOP/s", "FLOP/cycle"), "bf16_dot": (None, "flops", "GFLOP/s", "FLOP/cycle"),
           "bf16_amx": ("amx_bf16_peak", "flops", "GFLOP/s", "FLOP/cycle"),
           "exp2": ("exp2_rate", "vectors", "G vectors/s", "vectors/cycle")}


def _is_rate(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _rows(context):
    """Of a file with numbers; None of an older one."""
    rows = context.get("ceilings")
    if rows is None:
        return None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput("context: ceilings should be a list of objects, one for each ISA and team")
    return rows


def _row(context, isa, threads):
    return next((row for row in _rows(context) if row.get("isa") == isa and row.get("threads") == threads), {})


def _per_second(holder, unit, where):
    value = holder.get(f"{unit}_per_second") if isinstance(holder, dict) else None
    if not _is_rate(value):
        raise BadInput(f"context: ceilings: {where} has no {unit}_per_second that is a number: {holder!r:.80}")
    return value / 1e9


def _shown(ceiling, key, scale):
    return ceiling[key] / scale if _is_rate(ceiling.get(key)) else math.nan


def peak(context, kind, isa, threads):
    """GFLOP/s, or None where the file has no such ceiling."""
    if _rows(context) is not None:
        ceiling = _row(context, isa, threads).get(kind)
        return None if ceiling is None else _per_second(ceiling, "flops", kind) or None
    return _peak_in_text(context, f"{COMPUTE[kind][0]}_{isa}_threads_{threads}")


def _peak_in_text(context, key):
    text = context.get(key)
    if text is None:
        return None
    found = PEAK.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise BadInput(f"context: {key} is {text!r:.80}; it should be like '{PEAK_EXAMPLE}'")
    return float(found[1]) or None


def reads(context, isa, threads):
    """GB/s by level: {"L1": 510.9, ..., "memory": 45.4}; a level that was not measured is left out."""
    if _rows(context) is None:
        return _reads_in_text(context, f"read_bandwidth_{isa}_threads_{threads}")
    levels = _row(context, isa, threads).get("read") or []
    if not isinstance(levels, list) or not all(isinstance(level, dict) for level in levels):
        raise BadInput("context: ceilings: read should be a list of levels")
    rates = {str(level.get("level")): _per_second(level, "bytes", "read") for level in levels if "reason" not in level}
    return {level: rate for level, rate in rates.items() if rate}


def _reads_in_text(context, key):
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
    for row in _rows(context) or []:
        for kind, (_, unit, *_) in COMPUTE.items():
            if row.get(kind) is not None:
                _per_second(row[kind], unit, kind)
        reads(context, row.get("isa"), row.get("threads"))
    for key in context:
        if key.startswith(("fma_peak_", "amx_bf16_peak_")):
            _peak_in_text(context, key)
        elif key.startswith("read_bandwidth_"):
            _reads_in_text(context, key)


def texts(context):
    """For a person: (what, how much) of every ceiling."""
    old = [(key.replace("_", " "), value) for key, value in sorted(context.items())
           if key.startswith(("fma_peak_", "amx_bf16_peak_", "read_bandwidth_", "exp2_rate_"))]
    lines = []
    for row in _rows(context) or []:
        which = f"{row.get('isa')}, {row.get('threads')} thread" + ("" if row.get("threads") == 1 else "s")
        for kind, (_, unit, rate, per_cycle) in COMPUTE.items():
            if ceiling := row.get(kind):
                lines.append((f"{kind.replace('_', ' ')} {which}",
                              f"{_per_second(ceiling, unit, kind):.4g} {rate}, "
                              f"{_shown(ceiling, f'{unit}_per_cycle_per_core', 1):.3g} {per_cycle} per core at "
                              f"{_shown(ceiling, 'clock_hz', 1e9):.2f} GHz"))
        levels = reads(context, row.get("isa"), row.get("threads"))
        if levels:
            lines.append((f"read {which}", "; ".join(f"{level} {rate:.4g} GB/s" for level, rate in levels.items())))
    return lines + old


def cache_bytes(text):
    """{"L1": 49152, ...}; older files write 48K for 48 KiB."""
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    return {level: float(size) * units[unit] for level, size, unit in CACHE.findall(text)}
