"""GFLOP/s against sequence length."""

from ..figure import Axis, Figure, Line, Panel
from ..frame import highest_isa, isa_views, threads_text
from ..problem import number, parse_problem, short_text
from .common import choice_of, interval_note, joined, power_ticks, series_by_variant

KEY = "seqlen"
QUESTION = "How fast, over sequence length?"
HOW = ("Everything but the length is equal along a line. Right axis: share of the FMA peak in the file. Dotted: the "
       "length at which keys and values (of one head; in decode of all heads) are as large as a cache.")
MISSING = "speed over length (four lengths of a shape are needed: tools/bench --sweep seqlen)"
LEAST_LENGTHS = 4  # two or three points are no curve; the heat map has them


def figures(runs, frame):
    return [figure for (run, _, team), rows in lines_of(frame) for isa, view in isa_views(rows)
            if (figure := draw(runs, run, team, isa, view))]


def lines_of(frame):
    """Cases that differ in length alone: q and k together where they are equal, otherwise k."""
    known = frame[frame["q"].notna() & frame["k"].notna()]
    if known.empty:
        return []
    key = known.apply(lambda row: (row["kind"], without_length(row)), axis=1)
    return known.assign(line=key).groupby(["run", "line", "threads"], sort=False)


def without_length(row):
    problem = parse_problem(row["problem"])
    square = row["q"] == row["k"]
    return short_text({**problem, "q": "n" if square else problem["q"], "k": "n"})


def draw(runs, run_index, team, isa, rows):
    lengths = sorted(set(rows["k"]))
    if len(lengths) < LEAST_LENGTHS:
        return None
    run, decode = runs[run_index], bool(rows["decode"].all())
    kind, shape = rows["line"].iloc[0]
    text = joined("" if kind == "attention" else kind, shape)
    x = Axis("keys per sequence (seqlen_k)" if "q:n" not in shape else "sequence length (queries = keys)", log=True,
             ticks=power_ticks(lengths), limits=(lengths[0] / 1.15, lengths[-1] * 1.15))
    ceiling = run.peak(highest_isa(rows), team)
    # The scale ends at the ceiling, so that the distance to it is seen; a little more for its label.
    top = rows["gflops"].max() if decode or not ceiling else max(rows["gflops"].max(), ceiling)
    panel = Panel(x, Axis("GFLOP/s", limits=(0, top * 1.08)), series_by_variant(rows, "k", "gflops", intervals=True))
    if ceiling and not decode:
        panel.right = ("% of FMA peak", 100 / ceiling)
        panel.content.append(Line(f"FMA peak {ceiling:.0f} GFLOP/s", y=[ceiling], dash="dash"))
    panel.content += cache_marks(run, rows, decode, lengths)
    return Figure(KEY, choice_of(runs, run_index, text, isa, threads_text(team)),
                  f"GFLOP/s over length: {text}, {isa}, {threads_text(team)}", run.provenance(), interval_note(rows),
                  [panel], weight=(rows["variant"].nunique() * len(lengths),))


def cache_marks(run, rows, decode, lengths):
    problem = parse_problem(rows["problem"].iloc[0])
    sizes = [number(problem, key) for key in ("d", "dv", "b", "hkv")]
    if None in sizes:
        return []
    d, dv, batch, heads = sizes
    per_key = (d + dv) * (2 if problem["dtype"] in ("bf16", "f16") else 4) * (batch * heads if decode else 1)
    marks = [(level, size / per_key) for level, size in run.cache_bytes().items()]
    return [Line(f"K, V = {level}", x=[length]) for level, length in marks if lengths[0] <= length <= lengths[-1]]
