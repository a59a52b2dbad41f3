"""The table of variants/external/README.md that sets our fastest variant beside each library: of the newest recorded sweep of peers."""

from .markdown import one_line, table
from .standing import are_level, leader
from .styles import PEERS

TEAMS = (1, 2)
UNBOUND = "This run does not tell which BLAS and OpenMP each library was bound to."


def newest(recorded):
    """The newest run of the sweep peers that has both us and a library; None when none was recorded."""
    return max((one for one in recorded if one.path.stem.endswith("-peers") and has_both(one)),
               key=lambda one: one.run.seconds(), default=None)


def cases_of(recorded):
    return [case for case in recorded.trusted if case.name.kind == "attention" and case.name.threads in TEAMS]


def has_both(recorded):
    return {case.name.variant in PEERS for case in cases_of(recorded)} == {True, False}


def peers_table(recorded, folder):
    """A row per problem, a column per library that was there, `one / two threads` in each cell; below, what it compares."""
    cases = cases_of(recorded)
    names = {case.name.variant for case in cases}
    there = [peer for peer in PEERS if peer in names]
    problems = list(dict.fromkeys(case.name.problem for case in cases))

    def fastest(problem, variants):
        """By team: the fastest case of these variants, on any ISA; None when there is none."""
        return [leader([case for case in cases if case.name.problem == problem and case.name.threads == team
                        and case.name.variant in variants]) for team in TEAMS]

    rows = []
    for problem in problems:
        ours, theirs = fastest(problem, names - set(PEERS)), fastest(problem, PEERS)
        rows.append([f"`{problem}`", speeds(ours) + names_of(ours), *(speeds(fastest(problem, [peer])) for peer in there),
                     " / ".join(map(ratio, ours, theirs))])
    return (f"GFLOP/s, one / two threads; {recorded.source(folder)}:\n\n"
            + table(["problem", "`best`", *there, "`best` over the fastest peer"], rows) + "\n\n" + below(there, cases))


def speeds(cases):
    return " / ".join(f"{case.gflops:.0f}" if case else "-" for case in cases)


def names_of(cases):
    """One name where both teams have the same fastest."""
    names = list(dict.fromkeys(case.name.variant for case in cases if case))
    return f" ({' / '.join(names)})" if names else ""


def ratio(ours, theirs):
    if not ours or not theirs:
        return "-"
    return f"{ours.gflops / theirs.gflops:.2f}x" + (", level" if are_level(ours.standing, theirs.standing) else "")


def below(there, cases):
    """What the last column is, and on whose libraries each peer ran."""
    text = ("`best` is our fastest variant on that problem with that many threads. `best` over the fastest peer: its speed over "
            f"that of the fastest of the libraries that were found ({', '.join(there)}) on the same problem with as many threads.")
    if any(case.standing for case in cases):
        text += " *level*: passes that the two took in turns do not show that one is faster."
    bound = {peer: list(dict.fromkeys(one_line(case.libraries) for case in cases
                                      if case.name.variant == peer and case.libraries)) for peer in there}
    if not any(bound.values()):
        return f"{text} {UNBOUND}"
    return f"{text} Each ran in a process of its own, on these libraries:\n\n" + table(["peer", "bound to"], [
        [peer, " or ".join(f"`{libraries}`" for libraries in bound[peer]) or "not told"] for peer in there])
