"""Our best variant against each library."""

from ..figure import Axis, Figure, Line, Panel, Series
from ..frame import fastest_rows, threads_text
from ..standing import are_level
from .common import choice_of, numbers, pages_of, problem_label

KEY = "peers"
QUESTION = "Are we faster than the libraries?"
HOW = ("Our fastest variant over each library on the same problem and team. Right of 1 we are faster, unless the problem says "
       "level: then paired passes do not tell the two apart.")
MISSING = "libraries (tools/setup --peers, then tools/bench --sweep peers)"


def figures(runs, frame):
    found = []
    for (run, team, family), rows in frame.groupby(["run", "threads", "family"], sort=False):
        ratios = ratios_of(rows)
        problems = list(dict.fromkeys(ratios["problem"]))
        for text, part in pages_of(problems):
            found.append(draw(runs, run, team, f"{family} ({text})" if text else family, ratios[ratios["problem"].isin(part)], part))
    return found


def ratios_of(rows):
    """The libraries' fastest rows, each with how many times faster our fastest is."""
    ours = fastest_rows(rows[~rows["peer"]], ["problem"]).set_index("problem")
    theirs = fastest_rows(rows[rows["peer"]], ["kind", "problem", "variant"])
    theirs = theirs[theirs["problem"].isin(ours.index)]
    level = [are_level(own, ours.loc[problem, "standing"]) for problem, own in zip(theirs["problem"], theirs["standing"])]
    return theirs.assign(ratio=theirs["problem"].map(ours["gflops"]) / theirs["gflops"], level=level)


def draw(runs, run, team, text, ratios, problems):
    place = {problem: -index for index, problem in enumerate(problems)}
    series = [Series(variant, numbers(own["ratio"]), [place[problem] for problem in own["problem"]],
                     own["id"].tolist(), lines=False) for variant, own in ratios.groupby("variant")]
    low, high = min(1.0, ratios["ratio"].min()), max(1.0, ratios["ratio"].max())
    ticks = (.1, .2, .5, 1, 2, 5, 10, 20, 50, 100) if high / low > 4 else (.3, .5, .7, 1, 1.2, 1.5, 2, 3)
    x = Axis("our speed / the library's", log=True, limits=(low / 1.25, high * 1.25),
             ticks=[(value, f"{value:g}x") for value in ticks if low / 1.25 <= value <= high * 1.25])
    y = Axis("", ticks=[(-index, label(problem, ratios)) for index, problem in enumerate(problems)],
             limits=(-len(problems) + .4, .6))
    return Figure(KEY, choice_of(runs, run, text, threads_text(team)),
                  f"Our best over each library: {text}, {threads_text(team)}", runs[run].provenance(), "",
                  [Panel(x, y, [Line("", x=[1], dash="solid"), *series])], weight=(len(problems), len(ratios)))


def label(problem, ratios):
    own = ratios[ratios["problem"] == problem]
    level = sorted(own[own["level"]]["variant"])
    return problem_label(next(own.itertuples())) + (f"\nlevel: {', '.join(level)}" if level else "")
