"""The same cases on several machines or revisions."""

import pandas

from ..figure import Axis, Figure, Panel
from ..frame import isa_views, threads_text
from ..results import name_of_peak
from .common import interval_note, joined, labels_of, series_by_variant, work

KEY = "runs"
QUESTION = "How do machines and revisions compare?"
HOW = ("The oldest run first. Above: speed; below: share of the ceiling measured beside each row, which tells a slower "
       "machine from a slower kernel. Runs of different hours are no proof of a regression; attnbench gate is.")
MISSING = "several machines or revisions (name a file of each)"


def figures(runs, frame):
    found = []
    for (kind, problem, team), rows in frame.groupby(["kind", "problem", "threads"], sort=False):
        # On machines of different kinds the same ISA may not be there: each variant on its fastest.
        view = [isa_views(own)[0][1] for _, own in rows.groupby("run")]
        if len(view) < 2:
            continue
        found.append(draw(runs, joined("" if kind == "attention" else kind, problem), team, view))
    return found


def in_lines(label, run):
    """CPU, revision and date below each other, so that they stay apart from their neighbours."""
    revision = run.fact("revision")
    return "\n".join(part.strip() for part in label.replace(revision, f"\n{revision}\n").split("\n") if part.strip())


def draw(runs, problem, team, views):
    rows = pandas.concat(views)
    rows = rows.assign(share=rows["pct_bandwidth"].where(rows["decode"], rows["pct_peak"]))
    present = sorted(set(rows["run"]))
    labels = labels_of(runs)
    # Runs by their place, so that the axis has only those that have this problem.
    rows["place"] = rows["run"].map({run: place for place, run in enumerate(present)})
    x = Axis("", ticks=[(place, in_lines(labels[run], runs[run])) for place, run in enumerate(present)],
             limits=(-.4, len(present) - .6))
    panels = [Panel(x, Axis("GFLOP/s", limits=(0, rows["gflops"].max() * 1.1)),
                    series_by_variant(rows, "place", "gflops", intervals=True))]
    shared = rows[rows["share"].notna()]
    if len(shared):
        ceiling = "bandwidth" if bool(rows["decode"].all()) else name_of_peak(rows)
        panels.append(Panel(x, Axis(f"% of {ceiling}", limits=(0, max(100, shared["share"].max() * 1.05))),
                            series_by_variant(shared, "place", "share")))
    provenance = " | ".join(runs[run].provenance() for run in present)
    common = len(set.intersection(*(set(view["variant"]) for view in views)))
    return Figure(KEY, joined(problem, threads_text(team)), f"By run: {problem}, {threads_text(team)}", provenance,
                  interval_note(rows), panels, weight=(common, len(present), len(rows), work(rows)))
