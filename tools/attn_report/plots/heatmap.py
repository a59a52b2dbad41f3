"""Variants against shapes: how near each comes to the fastest."""

from ..figure import Axis, Figure, Heat, Panel
from ..frame import isa_views, threads_text, variants_in_order
from .common import choice_of, joined, short

KEY = "heatmap"
QUESTION = "Which variant for which shape?"
HOW = ("Colour: speed relative to the fastest variant of the row. Text: GFLOP/s; with an = behind it: level with the fastest, by "
       "paired passes. Empty: not measured, or failed.")
MISSING = "Fewer than two variants were measured here."
SHAPES = 24  # in one plot


def figures(runs, frame):
    found = []
    for (run, kind, team), all_rows in frame.groupby(["run", "kind", "threads"], sort=False):
        for isa, rows in isa_views(all_rows):
            if rows["variant"].nunique() < 2:
                continue
            # Alone with itself every variant is the fastest.
            rows = rows[rows.groupby("problem")["variant"].transform("nunique") > 1]
            problems = list(dict.fromkeys(rows["problem"]))
            pages = range(0, len(problems), SHAPES)
            for first in pages:
                part = problems[first:first + SHAPES]
                text = f"shapes {first + 1}-{first + len(part)} of {len(problems)}" if len(pages) > 1 else ""
                found.append(draw(runs, run, team, joined("" if kind == "attention" else kind, isa), text, rows, part))
    return found


def draw(runs, run, team, isa, text, rows, problems):
    variants = variants_in_order(rows)
    values, texts, ids = [], [], []
    cells = {(row.problem, row.variant): row for row in rows.itertuples()}
    for problem in problems:
        row = [cells.get((problem, variant)) for variant in variants]
        best = max(cell.gflops for cell in row if cell)
        values.append([short(cell.gflops / best, 3) if cell else None for cell in row])
        texts.append([text_of(cell) for cell in row])
        ids.append([cell.id if cell else None for cell in row])
    heat = Heat(problems, variants, values, texts, ids, "speed over the fastest")
    return Figure(KEY, choice_of(runs, run, isa, threads_text(team), text),
                  joined(f"Speed relative to the fastest: {isa}", threads_text(team), text), runs[run].provenance(), "",
                  [Panel(Axis(""), Axis(""), [heat])], weight=(team == 1, len(problems), len(rows)))


def text_of(cell):
    if cell is None:
        return ""
    speed = f"{cell.gflops:.0f}" if cell.gflops >= 100 else f"{cell.gflops:.1f}"
    return speed + (" =" if cell.standing == "level" else "")
