"""The plots of the page, one file each, in the order in which a performance engineer asks.

Each module has KEY, QUESTION, HOW (how to read it), MISSING (what to measure where there is nothing to show) and
figures(runs, frame) -> [Figure].
"""

from . import seqlen, ladder, peers, roofline, threads, heatmap, accuracy, runs

SECTIONS = [seqlen, ladder, peers, roofline, threads, heatmap, accuracy, runs]


def figures_of(section, all_runs, frame):
    """The figures of a section, those that show most first."""
    return sorted(section.figures(all_runs, frame), key=lambda figure: figure.weight, reverse=True)
