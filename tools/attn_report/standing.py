"""Who leads, by paired passes: what the rows of one problem and team say of each other.

Variants of a problem take turns, pass by pass; the harness then calls one of them `fastest`, those whose passes do not
show that it is faster `level`, and the others `behind`. Two rows that are both fastest or level are level with each
other; of two that are behind nothing is known but their figures.
"""

RANK = {"fastest": 2, "level": 1}
AT_THE_FRONT = tuple(RANK)
# What a row is called that is alone at the front, and what all are that are level there: which of these has the mark
# `fastest` is chance.
ALONE, LEVEL = "fastest", "= fastest"


def rank(standing):
    return RANK.get(standing, 0)


def are_level(*standings):
    return all(standing in AT_THE_FRONT for standing in standings)


def is_ahead(standing, other):
    return standing == "fastest" and other == "behind"


def leader(cases):
    """Of the cases of one problem and team: the one whose passes lead, or, where none tells, of the highest rate."""
    return max(cases, key=lambda case: (rank(case.standing), case.gflops), default=None)


def front(cases):
    """The leader and who is level with it."""
    first = leader(cases)
    return [case for case in cases if case is first or are_level(case.standing, first.standing)]
