"""Error against speed, with the Pareto front."""

from ..figure import Axis, Figure, Line, Panel
from ..frame import threads_text
from .common import choice_of, log_ticks, problem_groups, series_by_variant, short, work

KEY = "accuracy"
QUESTION = "What does speed cost in accuracy?"
HOW = ("Largest error against the fp64 oracle, scaled as the check does it; lower and further right is better. The step "
       "line is the Pareto front: no other variant is both faster and more accurate.")
MISSING = "errors of two variants on one problem"
# A kernel passes with up to three times the error of plain loops: the check itself does not tell such errors apart.
ALIKE = 3


def figures(runs, frame):
    return [draw(runs, *key, rows) for key, rows in compared(frame) if spread(rows) > ALIKE]


def compared(frame):
    return [(key, rows) for key, rows in problem_groups(frame[frame["error"].gt(0)]) if rows["variant"].nunique() > 1]


def spread(rows):
    return rows["error"].max() / rows["error"].min()


def in_words(frame):
    """What there is to say of problems whose errors are alike."""
    alike = [rows for _, rows in compared(frame) if spread(rows) <= ALIKE]
    if not alike:
        return ""
    problems = len({problem for rows in alike for problem in rows["problem"]})
    where = "the only problem" if problems == 1 else f"{problems} problems"
    allowed = max((rows["error"] / rows["tolerance"]).max() for rows in alike)
    part = f", at most {100 * allowed:.0f} % of what the check allows" if allowed < float("inf") else ""
    return (f"On {where} the errors of all variants are alike: within a factor of {max(map(spread, alike)):.1f}, from "
            f"{min(rows['error'].min() for rows in alike):.1e} to {max(rows['error'].max() for rows in alike):.1e}{part}.")


def pareto_front(rows):
    """Indices of the rows that no other row beats in both speed and error, the fastest first."""
    front, least = [], float("inf")
    for row in rows.sort_values(["gflops", "error"], ascending=[False, True]).itertuples():
        if row.error < least:
            front.append(row.Index)
            least = row.error
    return front


def draw(runs, run, problem, team, isa, rows):
    front = rows.loc[pareto_front(rows)]
    tolerance = rows["tolerance"].max()
    errors = [*rows["error"], *([tolerance] if tolerance > 0 else [])]
    low, high = min(errors) / 2, max(errors) * 2
    right = rows["gflops"].max() * 1.12
    panel = Panel(Axis("GFLOP/s", limits=(0, right)), Axis("largest scaled error", log=True, limits=(low, high), ticks=log_ticks(low, high)))
    # Along the front from the fastest: down to its error from above, then left.
    x = [front["gflops"].iloc[0], *front["gflops"], 0]
    y = [high, *front["error"], front["error"].iloc[-1]]
    panel.content.append(Line("Pareto front", x=[short(value) for value in x], y=[short(value) for value in y],
                              dash="step"))
    if tolerance > 0:
        panel.content.append(Line("allowed", y=[short(tolerance)], dash="dash"))
    panel.content += series_by_variant(rows, "gflops", "error", lines=False)
    return Figure(KEY, choice_of(runs, run, problem, isa, threads_text(team)),
                  f"Error against speed: {problem}, {isa}, {threads_text(team)}", runs[run].provenance(), "", [panel],
                  weight=(team == 1, len(rows), work(rows)))
