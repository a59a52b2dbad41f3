"""Variants against shapes: how near each comes to the fastest."""

from .. import units
from ..figure import Axis, Figure, Heat, Panel
from ..frame import isa_views, threads_text, variants_in_order
from ..standing import LEVEL
from .common import choice_of, joined, pages_of, problem_label, short

KEY = "heatmap"
QUESTION = "Which variant is the fastest?"
HOW = ("GFLOP/s, and below it the time of a call. Bold: the fastest of its row; with an =: several are level there, by paired passes. "
       "Colour: speed relative to the fastest. Empty: not measured, or failed.")
MISSING = "variants side by side (only one was measured)"


def figures(runs, frame):
    found = []
    for (run, kind, team), all_rows in frame.groupby(["run", "kind", "threads"], sort=False):
        for isa, rows in isa_views(all_rows):
            if rows["variant"].nunique() < 2:
                continue
            # Alone with itself every variant is the fastest.
            rows = rows[rows.groupby("problem")["variant"].transform("nunique") > 1]
            for text, part in pages_of(list(dict.fromkeys(rows["problem"]))):
                text = text and f"shapes {text}"
                found.append(draw(runs, run, team, joined("" if kind == "attention" else kind, isa), text, rows, part))
    return found


def draw(runs, run, team, isa, text, rows, problems):
    variants = variants_in_order(rows)
    labels, values, texts, ids, bold = [], [], [], [], []
    cells = {(row.problem, row.variant): row for row in rows.itertuples()}
    for problem in problems:
        row = [cells.get((problem, variant)) for variant in variants]
        known = [cell for cell in row if cell]
        best = max(cell.gflops for cell in known)
        # In a view of one ISA the fastest of all may not be there.
        leads = [cell.front for cell in known if cell.front]
        labels.append(problem_label(known[0]))
        values.append([short(cell.gflops / best, 3) if cell else None for cell in row])
        texts.append([text_of(cell) for cell in row])
        ids.append([cell.id if cell else None for cell in row])
        bold.append([bool(cell) and (bool(cell.front) if leads else cell.gflops == best) for cell in row])
    heat = Heat(labels, variants, values, texts, ids, "speed over the fastest", bold)
    return Figure(KEY, choice_of(runs, run, isa, threads_text(team), text),
                  joined(f"GFLOP/s and time of a call: {isa}", threads_text(team), text), runs[run].provenance(), "",
                  [Panel(Axis(""), Axis(""), [heat])], weight=(team == 1, len(problems), len(rows)))


def text_of(cell):
    if cell is None:
        return ""
    speed = f"{cell.gflops:.0f}" if cell.gflops >= 100 else units.digits(cell.gflops)
    return f"{speed}{' =' if cell.front == LEVEL else ''}\n{units.time(cell.time_us)}"
