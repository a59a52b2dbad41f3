"""The plots of the page, one file each, in the order in which a performance engineer asks.

Each module has KEY, QUESTION, HOW (how to read it), MISSING (what is not there where there is nothing to show, and how to
measure it) and figures(runs, frame) -> [Figure]. Where a plot would say nothing, in_words(frame) says it, if the module has
that.
"""

from . import heatmap, seqlen, roofline, ladder, peers, threads, accuracy, runs

SECTIONS = [heatmap, seqlen, roofline, ladder, peers, threads, accuracy, runs]


def figures_of(section, all_runs, frame):
    """The figures of a section, those that show most first."""
    return sorted(section.figures(all_runs, frame), key=lambda figure: figure.weight, reverse=True)


def words_of(section, frame):
    return section.in_words(frame) if hasattr(section, "in_words") else ""
