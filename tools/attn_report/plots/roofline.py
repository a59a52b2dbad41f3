"""Speed against the roof: the best of each problem by name; on demand all variants over arithmetic intensity."""

from ..figure import Axis, Bars, Figure, Line, Panel
from ..frame import fastest_rows, threads_text
from ..results import FMA, PEAKS, peak_text
from .common import choice_of, joined, log_ticks, pages_of, problem_label, series_by_variant, short

KEY = "roofline"
QUESTION = "How near is the best to the roof?"
HOW = ("The fastest of each problem, relative to its roof, which was measured beside it: the peak of the unit for its "
       "elements or, in decode, what the same threads only read. Of all variants there is the roofline: intensity counts each "
       "input and output once, so that a kernel whose keys and values come from a cache may stand above memory's roof, but "
       "never above the peak.")
SAME_LINE = 1.25  # roofs that are nearer are one line to the eye, and have one label
MISSING = "roofs (the files have no measured ceilings, or no row has a share of one)"


def figures(runs, frame):
    return best_of_each(runs, frame) + rooflines(runs, frame)


def best_of_each(runs, frame):
    trusted = frame[~frame["mistrusted"].astype(bool)]
    best = fastest_rows(trusted, ["run", "kind", "problem", "threads"])
    best = best.assign(share=best["pct_bandwidth"].where(best["pct_bandwidth"].notna(), best["pct_peak"]))
    best = best[best["share"].notna()]
    return [draw_best(runs, run, team, joined("" if kind == "attention" else kind, text), rows[rows["problem"].isin(part)])
            for (run, kind, team), rows in best.groupby(["run", "kind", "threads"], sort=False)
            for text, part in pages_of(list(rows["problem"]))]


def draw_best(runs, run, team, text, rows):
    bars = Bars(rows["variant"].tolist(), [short(share, 3) for share in rows["share"]], rows["id"].tolist(),
                [best_text(row) for row in rows.itertuples()], labels=[problem_label(row) for row in rows.itertuples()])
    panel = Panel(Axis("% of the roof", limits=(0, max(100, rows["share"].max()) * 1.6),
                       ticks=[(percent, str(percent)) for percent in range(0, 101, 20)]), Axis(""), [bars, Line("", x=[100])])
    return Figure(KEY, choice_of(runs, run, joined("the best of each problem", text, threads_text(team))),
                  joined("The best against its roof", text, threads_text(team)), runs[run].provenance(), "", [panel],
                  weight=(True, team == 1, len(rows)))


def best_text(row):
    isa = f", {row.isa}" if row.isa != "-" else ""
    roof = (" of read bandwidth" if row.pct_bandwidth == row.pct_bandwidth else
            "" if row.peak_unit == FMA else f" of the {peak_text(row.peak_unit)}")
    return f"{row.variant}  {row.share:.0f} %{roof}, {row.gflops:.1f} GFLOP/s{isa}"


def rooflines(runs, frame):
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
    peak, reads = run.peak(isa, team), run.read_bandwidths(isa, team)
    if not peak:
        return None
    left, right = rows["intensity"].min() / 2, rows["intensity"].max() * 2
    # Down to the slowest case, and as wide as the roofs need to meet the FMA peak.
    if reads:
        left, right = min(left, peak / max(reads.values()) / 4), max(right, 2 * peak / min(reads.values()))
    # A unit of its own that is no faster than the FMA is no other roof.
    units = {unit: speed for unit in PEAKS if unit != FMA and (speed := run.peak(isa, team, unit) or 0) > SAME_LINE * peak}
    top = max(peak, rows["gflops"].max(), *units.values()) * 1.8
    bottom = min(rows["gflops"].min() / 1.8, peak / 30)  # so that the slopes are seen where every case is fast
    panel = Panel(Axis("arithmetic intensity, FLOP/byte", log=True, limits=(left, right), ticks=log_ticks(left, right)),
                  Axis("GFLOP/s", log=True, limits=(bottom, top), ticks=log_ticks(bottom, top)))
    panel.content.append(Line(f"FMA peak {peak:.0f} GFLOP/s", y=[peak], dash="solid"))
    for unit, speed in units.items():
        panel.content.append(Line(f"{peak_text(unit)} {speed:.0f} GFLOP/s", y=[speed], dash="solid"))
    for level, rate in labelled(reads):
        start = max(left * 1.02, bottom / rate)
        if start < peak / rate:  # otherwise the roof is left of the picture
            panel.content.append(Line(level, x=[short(start), short(peak / rate)],
                                      y=[short(start * rate), peak], dash="dash"))
    panel.content += series_by_variant(rows, "intensity", "gflops", lines=False)
    return Figure(KEY, choice_of(runs, run_index, "all variants, roofline", isa, threads_text(team)), f"Roofline: {isa}, {threads_text(team)}",
                  run.provenance(), "", [panel], weight=(False, team == 1, len(rows)))


def labelled(reads):
    """[(label, rate)]: levels that read equally fast share the label of the first, so that none lies on another."""
    groups = []
    for level, rate in reads.items():
        if groups and groups[-1][0][1] / rate < SAME_LINE and rate / groups[-1][0][1] < SAME_LINE:
            groups[-1].append((level, rate))
        else:
            groups.append([(level, rate)])
    return [("" if place else f"{', '.join(level for level, _ in group)} {group[0][1]:.0f} GB/s", rate)
            for group in groups for place, (_, rate) in enumerate(group)]
