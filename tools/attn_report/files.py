"""Plots as files: of each section the figure that its page shows first."""

from .plots import SECTIONS, figures_of
from .to_matplotlib import bytes_of


def first_plots(runs, frame, file_format):
    """(file name, bytes) of every section that has something to show."""
    for section in SECTIONS:
        figures = figures_of(section, runs, frame)
        if figures:
            yield f"{section.KEY}.{file_format}", bytes_of(figures[0], file_format)
