"""What several plots do alike."""

import math

from ..figure import Series
from ..frame import isa_views, variants_in_order


def short(value, digits=5):
    """A number with as many digits as a plot can show; None for what is not there."""
    return None if value is None or math.isnan(value) else float(f"{value:.{digits}g}")


def numbers(column, digits=5):
    return [short(value, digits) for value in column]


def bounds(rows, scale=1.0):
    """Low and high ends of the intervals, or None twice where no row has one."""
    if not rows["low"].notna().any():
        return None, None
    return numbers(rows["low"] * scale), numbers(rows["high"] * scale)


def series_by_variant(rows, x, y, lines=True, intervals=False):
    series = []
    for variant in variants_in_order(rows):
        own = rows[rows["variant"] == variant].sort_values(x)
        low, high = bounds(own) if intervals else (None, None)
        series.append(Series(variant, numbers(own[x]), numbers(own[y]), own["id"].tolist(), low, high, lines))
    return series


def interval_note(rows):
    """What the bars of a plot span."""
    kinds = sorted(set(rows.loc[rows["low"].notna(), "interval_kind"]))
    return f"Bars: {' or '.join(kinds)}." if kinds else ""


def joined(*parts):
    return ", ".join(part for part in parts if part)


def problem_label(row):
    """The problem, below the model whose shape it is, where the file tells."""
    return f"{row.model}\n{row.problem}" if row.model else row.problem


def pages_of(items, size=24):
    """[(text, part)]: so many of them to a plot; the text is empty where one holds all."""
    parts = [items[first:first + size] for first in range(0, len(items), size)]
    return [(f"{place * size + 1}-{place * size + len(part)} of {len(items)}" if len(parts) > 1 else "", part)
            for place, part in enumerate(parts)]


def labels_of(runs):
    """A short text per run that tells it from the others."""
    cpus = len({run.machine() for run in runs}) > 1
    dates = len({(run.machine(), run.fact("revision")) for run in runs}) < len(runs)
    return [" ".join(([run.fact("cpu")] if cpus else []) + [run.fact("revision")]
                     + ([run.fact("date")[:16].replace("T", " ")] if dates else [])) for run in runs]


def choice_of(runs, index, *parts):
    """The text of a choice; the run is part of it only where there are several."""
    return joined(labels_of(runs)[index] if len(runs) > 1 else "", *parts)


def problem_groups(frame):
    """((run, problem, threads, ISA text), rows) of everything that was measured."""
    for (run, kind, problem, threads), rows in frame.groupby(["run", "kind", "problem", "threads"], sort=False):
        text = problem if kind == "attention" else joined(kind, problem)
        for isa, view in isa_views(rows):
            yield (run, text, threads, isa), view


def power_ticks(values):
    """Ticks at the values themselves, thinned so that no two are closer than a factor of 1.6."""
    ticks = []
    for value in sorted(set(values)):
        if not ticks or value / ticks[-1] > 1.6:
            ticks.append(value)
    return [(value, f"{value:,.0f}".replace(",", " ") if value >= 10000 else f"{value:.0f}") for value in ticks]


def log_ticks(low, high):
    """1, 2, 5, 10, ...: thinned to 1, 10, ... over more than two and a half decades."""
    digits = (1, 2, 5) if high / low < 300 else (1,)
    values = [digit * 10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
              for digit in digits]
    return [(value, f"{value:.0e}".replace("e-0", "e-") if value < 1e-3 else f"{value:g}") for value in values
            if low <= value <= high]


def work(rows):
    """Floating-point operations of one call: of problems with equally much to show, the larger comes first."""
    operations = (rows["gflops"] * rows["time_us"]).max()
    return operations if operations == operations else 0.0
