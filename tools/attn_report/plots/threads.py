"""Scaling with the size of the team."""

from ..figure import Axis, Figure, Line, Panel, Series
from ..frame import isa_views, variants_in_order
from .common import choice_of, interval_note, joined, numbers, series_by_variant, work

KEY = "threads"
QUESTION = "Do more threads pay?"
HOW = ("Above: speed, with the straight line of the fastest. Below: efficiency, the speed per thread relative to the "
       "smallest team that was measured.")
MISSING = "teams of several sizes (tools/bench --threads 1,2, and so on up to the cores)"


def figures(runs, frame):
    found = []
    for (run, kind, problem), rows in frame.groupby(["run", "kind", "problem"], sort=False):
        if rows["threads"].nunique() < 2:
            continue
        text = problem if kind == "attention" else joined(kind, problem)
        found += [figure for isa, view in isa_views(rows) if (figure := draw(runs, run, text, isa, view))]
    return found


def draw(runs, run, problem, isa, rows):
    rows = rows[rows.groupby("variant")["threads"].transform("nunique") > 1]
    if rows.empty:
        return None
    teams = sorted(set(rows["threads"]))
    x = Axis("threads", log=teams[-1] > 8, ticks=[(team, str(team)) for team in teams],
             limits=(teams[0] / 1.15, teams[-1] * 1.15) if teams[-1] > 8 else (teams[0] - .3, teams[-1] + .3))
    speed = Panel(x, Axis("GFLOP/s", limits=(0, rows["gflops"].max() * 1.12)),
                  series_by_variant(rows, "threads", "gflops", intervals=True))
    first = rows[rows["threads"] == teams[0]]["gflops"].max()
    if first == first:  # the fastest has a row of the smallest team
        per_thread = first / teams[0]
        speed.content.append(Line("", x=[0.01, teams[-1] * 2], y=[0.01 * per_thread, 2 * teams[-1] * per_thread]))
    shares = [efficiency(rows[rows["variant"] == variant], variant) for variant in variants_in_order(rows)]
    high = max(max(series.y) for series in shares)
    share = Panel(x, Axis("efficiency, %", limits=(0, max(110, high * 1.08))), shares + [Line("", y=[100])])
    return Figure(KEY, choice_of(runs, run, problem, isa), f"Thread scaling: {problem}, {isa}", runs[run].provenance(),
                  interval_note(rows), [speed, share], weight=(len(teams), len(rows), work(rows)))


def efficiency(own, variant):
    own = own.sort_values("threads")
    base = own["gflops"].iloc[0] / own["threads"].iloc[0]
    return Series(variant, own["threads"].tolist(), numbers(100 * own["gflops"] / own["threads"] / base),
                  own["id"].tolist())
