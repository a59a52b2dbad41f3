"""The table of variants/external/README.md that sets our fastest variant beside each library: of the newest recorded sweep of peers."""

from .markdown import table
from .styles import PEERS

TEAMS = (1, 2)


def newest(recorded):
    """The newest run of the sweep peers; None when none was recorded."""
    return max((one for one in recorded if one.path.stem.endswith("-peers")), key=lambda one: one.run.seconds(),
               default=None)


def peers_table(recorded, folder):
    """A row per problem, a column per library that was there, `one / two threads` in each cell."""
    cases = [case for case in recorded.run.measured() if case.name.kind == "attention" and case.name.threads in TEAMS]
    names = {case.name.variant for case in cases}
    there = [peer for peer in PEERS if peer in names]
    problems = list(dict.fromkeys(case.name.problem for case in cases))

    def fastest(problem, variants):
        """By team: the fastest case of these variants, on any ISA; None when there is none."""
        return [max((case for case in cases if case.name.problem == problem and case.name.threads == team
                     and case.name.variant in variants), key=lambda case: case.gflops, default=None) for team in TEAMS]

    rows = []
    for problem in problems:
        ours, theirs = fastest(problem, names - set(PEERS)), fastest(problem, PEERS)
        name = next((f" ({case.name.variant})" for case in ours if case), "")
        rows.append([f"`{problem}`", speeds(ours) + name, *(speeds(fastest(problem, [peer])) for peer in there),
                     " / ".join(f"{a.gflops / b.gflops:.2f}x" if a and b else "-" for a, b in zip(ours, theirs))])
    return (f"GFLOP/s, one / two threads; {recorded.source(folder)}:\n\n"
            + table(["problem", "`best`", *there, "`best` over the fastest peer"], rows))


def speeds(cases):
    return " / ".join(f"{case.gflops:.0f}" if case else "-" for case in cases)
