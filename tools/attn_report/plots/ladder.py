"""Speedup over naive, rung by rung."""

import math

from ..figure import Axis, Bars, Figure, Panel
from ..frame import BASELINES, threads_text
from ..standing import are_level
from .common import bounds, choice_of, interval_note, numbers, problem_groups, work

KEY = "ladder"
QUESTION = "What does each rung of the ladder gain?"
HOW = ("Speedup over naive on one thread of the same problem and ISA; in brackets the gain over the rung above, or level where "
       "paired passes do not tell the two apart. Rungs are those of variants/README.md.")
MISSING = "the ladder (tools/bench --variants 'naive,.*')"


def figures(runs, frame):
    naive = frame[frame["variant"].isin(BASELINES) & (frame["threads"] == 1)]
    speeds = {(row.run, row.kind, row.problem, row.isa): row.gflops for row in naive.itertuples()}
    best = naive.groupby(["run", "kind", "problem"])["gflops"].max().to_dict()
    found = []
    for (run, problem, team, isa), rows in problem_groups(frame[frame["rung"].astype(bool)]):
        case = (run, rows["kind"].iloc[0], rows["problem"].iloc[0])
        base = speeds.get((*case, isa)) or best.get(case)
        if base and rows["variant"].nunique() > 1:
            found.append(draw(runs, run, problem, team, isa, rows.sort_values("order"), base))
    return found


def draw(runs, run, problem, team, isa, rows, base):
    speedups = rows["gflops"] / base
    low, high = bounds(rows, 1 / base)
    bars = Bars(rows["variant"].tolist(), numbers(speedups), rows["id"].tolist(), texts(rows, speedups), low, high)
    # Bars leave room for what stands at their end.
    reach = max(speedups.max(), rows["high"].max() / base if rows["high"].notna().any() else 0)
    panel = Panel(Axis("speedup over naive", limits=(0, reach * 1.5)), Axis(""), [bars])
    return Figure(KEY, choice_of(runs, run, problem, isa, threads_text(team)),
                  f"Speedup over naive: {problem}, {isa}, {threads_text(team)}", runs[run].provenance(),
                  interval_note(rows), [panel], weight=(team == 1, len(rows), work(rows)))


def texts(rows, speedups):
    """Speedup, speed, and the step from the rung before."""
    written, before = [], None
    for row, speedup in zip(rows.itertuples(), speedups):
        step = f" ({gain(row, before)})" if before else ""
        share = f", {row.pct_peak:.0f} %" if not math.isnan(row.pct_peak) and not row.decode else ""
        written.append(f"{speedup:.1f}x{step}  {row.gflops:.1f} GFLOP/s{share}")
        before = row
    return written


def gain(row, before):
    """Of two that are level there is none, whatever their medians say."""
    return "level" if are_level(row.standing, before.standing) else f"{row.gflops / before.gflops:.2f}x"
