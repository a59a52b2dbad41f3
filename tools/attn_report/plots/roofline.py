"""Roofline: speed against arithmetic intensity under the measured roofs."""

from ..figure import Axis, Figure, Line, Panel
from ..frame import threads_text
from .common import choice_of, log_ticks, series_by_variant, short

KEY = "roofline"
QUESTION = "What bounds each case?"
HOW = ("Roofs as measured beside the run: reading per cache level, FMA. Intensity counts each input and output once, so "
       "that a kernel whose keys and values come from a cache may stand above memory's roof, but never above the FMA peak.")
MISSING = "No row here has the counters bytes and flops, or the files have no measured ceilings."


def figures(runs, frame):
    known = frame[frame["bytes"].gt(0) & frame["time_us"].gt(0)]
    known = known.assign(intensity=known["gflops"] * 1e3 * known["time_us"] / known["bytes"])
    found = []
    for (run, isa, team), rows in known.groupby(["run", "isa", "threads"], sort=False):
        figure = draw(runs, run, isa, team, rows)
        if figure:
            found.append(figure)
    return found


def draw(runs, run_index, isa, team, rows):
    run = runs[run_index]
    peak, reads = run.fma_peak(isa, team), run.read_bandwidths(isa, team)
    if not peak:
        return None
    left, right = rows["intensity"].min() / 2, rows["intensity"].max() * 2
    # Down to the slowest case, and as wide as the roofs need to meet the FMA peak.
    if reads:
        left, right = min(left, peak / max(reads.values()) / 4), max(right, 2 * peak / min(reads.values()))
    top = max(peak, rows["gflops"].max(), run.amx_peak(isa, team) or 0) * 1.8
    bottom = min(rows["gflops"].min() / 1.8, peak / 30)  # so that the slopes are seen where every case is fast
    panel = Panel(Axis("arithmetic intensity, FLOP/byte", log=True, limits=(left, right), ticks=log_ticks(left, right)),
                  Axis("GFLOP/s", log=True, limits=(bottom, top), ticks=log_ticks(bottom, top)))
    panel.content.append(Line(f"FMA peak {peak:.0f} GFLOP/s", y=[peak], dash="solid"))
    if amx := run.amx_peak(isa, team):
        panel.content.append(Line(f"AMX bf16 peak {amx:.0f} GFLOP/s", y=[amx], dash="solid"))
    for level, rate in reads.items():
        start = max(left * 1.02, bottom / rate)
        if start < peak / rate:  # otherwise the roof is left of the picture
            panel.content.append(Line(f"{level} {rate:.0f} GB/s", x=[short(start), short(peak / rate)],
                                      y=[short(start * rate), peak], dash="dash"))
    panel.content += series_by_variant(rows, "intensity", "gflops", lines=False)
    return Figure(KEY, choice_of(runs, run_index, isa, threads_text(team)), f"Roofline: {isa}, {threads_text(team)}",
                  run.provenance(), "", [panel], weight=(len(rows),))
