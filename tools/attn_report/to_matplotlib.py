"""Draws a figure into SVG or PNG, for where no script runs. The same input gives the same bytes."""

import io
import textwrap

import matplotlib
import numpy

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (the backend is chosen first)
from matplotlib.colors import LinearSegmentedColormap  # noqa: E402
from matplotlib.ticker import MultipleLocator, NullFormatter, NullLocator  # noqa: E402

from .figure import Bars, Heat, Line, Series  # noqa: E402
from .styles import assign  # noqa: E402
from .to_plotly import GRID, HEAT, INK, height_of, min_width_of, variants_of  # noqa: E402

MARKERS = {"circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "triangle-down": "v", "cross": "P",
           "pentagon": "p", "hexagon": "h", "star": "*", "x": "X", "triangle-left": "<", "triangle-right": ">",
           "diamond-tall": "d", "octagon": "8"}
DASHES = {"dot": ":", "dash": "--", "solid": "-", "step": "-"}
PIXELS_PER_INCH = 100
WIDTH = 900  # of the drawing, in pixels
SOFT = "#5C5C5C"
STYLE = {"font.size": 9, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": "#999999", "axes.spines.top": False,
         "axes.spines.right": False, "grid.color": GRID, "grid.linewidth": 0.8, "axes.axisbelow": True,
         "svg.fonttype": "path", "text.parse_math": False, "svg.hashsalt": "attnbench", "figure.dpi": PIXELS_PER_INCH}


def bytes_of(figure, file_format, source=""):
    """`source` goes into the file's description: what it was drawn from."""
    with pyplot.rc_context(STYLE):
        drawn = draw(figure)
        stream = io.BytesIO()
        if file_format == "svg":
            metadata = {"Date": None, "Creator": None, "Title": figure.title, "Description": source or figure.provenance}
            drawn.savefig(stream, format="svg", metadata=metadata)
        else:
            drawn.savefig(stream, format="png", dpi=2 * PIXELS_PER_INCH, metadata={"Software": None, "Title": figure.title,
                          "Description": source or figure.provenance})
        pyplot.close(drawn)
    return stream.getvalue()


def draw(figure):
    styles = assign(variants_of(figure))
    small = textwrap.wrap(f"{figure.note} {figure.provenance}".strip(), 160)
    top = 34 + 14 * len(small) + 24
    height = height_of(figure) + top + 60
    width = max(WIDTH, min_width_of(figure))
    drawn, axes = pyplot.subplots(len(figure.panels), 1, squeeze=False,
                                  figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH))
    # Constrained layout leaves room for what labels and the legend need.
    drawn.set_layout_engine("constrained", rect=(0.005, 0.005, 0.99, 1 - top / height), h_pad=0.08)
    drawn.text(0.01, 1 - 8 / height, figure.title, fontsize=12, fontweight="bold", va="top")
    drawn.text(0.01, 1 - 30 / height, "\n".join(small), fontsize=7.5, color=SOFT, va="top", linespacing=1.3)
    legend = {}
    for axis, panel in zip(axes[:, 0], figure.panels):
        axis.grid(True)
        set_axis(axis, "x", panel.x)
        set_axis(axis, "y", panel.y)
        for item in panel.content:
            {Series: add_series, Bars: add_bars, Heat: add_heat, Line: add_line}[type(item)](axis, item, styles, legend)
        if panel.right:
            add_right_axis(axis, panel)
    for axis, panel in zip(axes[:-1, 0], figure.panels):
        if panel.x == figure.panels[-1].x:  # the lowest is labelled for all
            axis.set_xlabel("")
            axis.tick_params(axis="x", labelbottom=False)
    if legend:
        beside = 1.09 if figure.panels[0].right else 1.01
        axes[0, 0].legend(legend.values(), legend.keys(), loc="upper left", bbox_to_anchor=(beside, 1.02),
                          frameon=False, handlelength=2.6)
    return drawn


def set_axis(axis, letter, wanted):
    getattr(axis, f"set_{letter}label")(wanted.title)
    if wanted.log:
        getattr(axis, f"set_{letter}scale")("log")
    target = getattr(axis, f"{letter}axis")
    if wanted.ticks:
        target.set_ticks([value for value, _ in wanted.ticks], [text for _, text in wanted.ticks])
        target.set_minor_locator(NullLocator())
        target.set_minor_formatter(NullFormatter())
    if wanted.limits:
        getattr(axis, f"set_{letter}lim")(*wanted.limits)


def add_series(axis, series, styles, legend):
    style = styles[series.variant]
    look = {"color": style.colour, "marker": MARKERS[style.marker], "markersize": 8 if style.marker == "star" else 6,
            "markerfacecolor": "white" if style.peer else style.colour,
            "markeredgecolor": style.colour if style.peer else INK, "markeredgewidth": 1.5 if style.peer else 0.4,
            "linestyle": ("--" if style.peer else "-") if series.lines else "none", "linewidth": 1.6}
    if series.low:
        distances = [list(map(distance, series.low, series.y)), list(map(distance, series.y, series.high))]
        handle = axis.errorbar(series.x, series.y, yerr=distances, capsize=2, elinewidth=0.9, **look)
    else:
        handle, = axis.plot(series.x, series.y, **look)
    legend.setdefault(series.variant, handle)


def distance(low, high):
    """NaN, of which nothing is drawn, where a row has no interval."""
    return float("nan") if low is None or high is None else max(0.0, high - low)


def add_bars(axis, bars, styles, legend):
    for place, (variant, value, text) in enumerate(zip(bars.variants, bars.values, bars.texts)):
        style = styles[variant]
        axis.barh(place, value, 0.75, color="white" if style.peer else style.colour, edgecolor=style.colour,
                  linewidth=1.5)
        end = value
        if bars.low and bars.low[place] is not None:
            end = max(value, bars.high[place])
            axis.errorbar([value], [place], xerr=[[max(0.0, value - bars.low[place])], [end - value]], color=INK,
                          capsize=2, elinewidth=0.9)
        axis.annotate(text, (end, place), (5, 0), textcoords="offset points", va="center", fontsize=8.5)
    axis.set_yticks(range(len(bars.variants)), bars.labels or bars.variants)
    axis.set_ylim(len(bars.variants) - 0.4, -0.6)
    axis.grid(False, axis="y")


def add_heat(axis, heat, styles, legend):
    values = numpy.array([[numpy.nan if value is None else value for value in row] for row in heat.values], float)
    image = axis.imshow(values, cmap=LinearSegmentedColormap.from_list("heat", HEAT), vmin=0, vmax=1, aspect="auto")
    for row, texts in enumerate(heat.texts):
        for column, text in enumerate(texts):
            if text:
                axis.text(column, row, text, ha="center", va="center", fontsize=7.5,
                          fontweight="bold" if heat.bold[row][column] else "normal")
    axis.set_xticks(range(len(heat.columns)), heat.columns, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(heat.rows)), heat.rows)
    axis.grid(False)
    axis.figure.colorbar(image, ax=axis, label=heat.scale_title, format=lambda value, _: f"{100 * value:.0f} %",
                         aspect=30, pad=0.02)


def add_line(axis, line, styles, legend):
    look = {"color": line.colour, "linestyle": DASHES[line.dash], "linewidth": 1, "zorder": 1}
    text = {"color": line.colour, "fontsize": 8}
    if line.x and line.y:
        axis.plot(line.x, line.y, drawstyle="steps-post" if line.dash == "step" else "default", scalex=False,
                  scaley=False, **look)
        if line.text:
            place, anchor = (-1, "bottom") if line.dash == "step" else (0, "top")
            axis.annotate(line.text, (line.x[place], line.y[place]), (3, 0), textcoords="offset points", va=anchor,
                          **text)
    elif line.y:
        axis.axhline(line.y[0], **look)
        axis.annotate(line.text, (0, line.y[0]), (4, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
                      va="bottom", **text)
    else:
        axis.axvline(line.x[0], **look)
        axis.annotate(line.text, (line.x[0], 1), (0, 2), xycoords=("data", "axes fraction"),
                      textcoords="offset points", ha="center", va="bottom", **text)


def add_right_axis(axis, panel):
    title, factor = panel.right
    right = axis.secondary_yaxis("right", functions=(lambda value: value * factor, lambda value: value / factor))
    right.set_ylabel(title)
    right.yaxis.set_major_locator(MultipleLocator(20))
    right.spines["right"].set_visible(True)
