"""Draws a figure as plotly's JSON. What depends on the width of the screen is left to page.js."""

from math import log10

from .figure import Bars, Heat, Line, Series
from .styles import assign

GRID, INK = "#E4E4E4", "#222222"
# Light enough at both ends that dark text is read on all of it.
HEAT = [(0, "#F6EFE3"), (0.6, "#D9E6EC"), (1, "#6FB4DB")]
DASHES = {"dot": "dot", "dash": "dash", "solid": "solid", "step": "solid"}
NARROW_LABEL = 17  # as in page.js
GAP = 0.09  # between panels, of the height


def plotly_of(figure, styles=None):
    styles = styles or assign(variants_of(figure))
    drawing = Drawing(figure, styles)
    for index, panel in enumerate(figure.panels):
        drawing.add_panel(index, panel)
    return {"choice": figure.choice, "title": figure.title, "provenance": figure.provenance, "note": figure.note,
            "height": height_of(figure), "minWidth": min_width_of(figure), "narrowWidth": min_width_of(figure, NARROW_LABEL), "right": drawing.right,
            "data": drawing.data, "layout": drawing.layout}


def variants_of(figure):
    names = {}
    for panel in figure.panels:
        for item in panel.content:
            if isinstance(item, Series):
                names[item.variant] = None
            elif isinstance(item, Bars):
                names.update(dict.fromkeys(item.variants))
    return list(names)


def height_of(figure):
    """Of the drawing area, in pixels; titles and legend come on top."""
    first = figure.panels[0]
    for item in first.content:
        if isinstance(item, Bars):
            return 30 * len(item.variants) + 20 + 10 * sum("\n" in label for label in item.labels or [])
        if isinstance(item, Heat):
            # The names below take from this height; the scale beside needs some at least.
            return 38 * max(len(item.rows), 3) + 10 + 5 * max(map(len, item.columns))
    if first.y.ticks and not first.y.log:  # a row per problem
        return 30 * len(first.y.ticks) + 20
    return 260 * len(figure.panels) + (100 if len(figure.panels) == 1 else 40)


def min_width_of(figure, longest=1000):
    """Below this the texts would be on top of each other; a narrower screen scrolls. Labels are broken at `longest` letters."""
    for item in figure.panels[0].content:
        if isinstance(item, Heat):
            return 7 * min(longest, longest_line(item.rows)) + 50 * len(item.columns) + 110
        if isinstance(item, Bars):
            names = 7 * min(longest, longest_line(item.labels or item.variants))
            return names + max(240, 40 + room_of_texts(item, figure.panels[0].x.limits[1]))
    labels = figure.panels[0].y.ticks if not figure.panels[0].y.log else None
    return 7 * min(longest, longest_line([text for _, text in labels])) + 190 if labels else 0


def room_of_texts(bars, right):
    """The width in which the first part of each text, which a narrow plot keeps, ends before the plot."""
    return max(7 * len(text.split("  ")[0]) / max(0.2, 1 - value / right) for text, value in zip(bars.texts, bars.values))


def longest_line(texts):
    return max(len(line) for text in texts for line in text.split("\n"))


def broken(text):
    return text.replace("\n", "<br>")


class Drawing:
    def __init__(self, figure, styles):
        self.figure, self.styles = figure, styles
        self.data, self.right, self.in_legend = [], [], set()
        self.layout = {"shapes": [], "annotations": [], "hovermode": "closest", "plot_bgcolor": "white",
                       "paper_bgcolor": "white", "bargap": 0.25, "font": {"size": 12, "color": INK}}

    def add_panel(self, index, panel):
        count = len(self.figure.panels)
        size = (1 - GAP * (count - 1)) / count
        bottom = 1 - size - index * (size + GAP)
        suffix = str(index + 1) if index else ""
        x, y = f"x{suffix}", f"y{suffix}"
        self.layout[f"xaxis{suffix}"] = {**axis_of(panel.x), "anchor": y}
        self.layout[f"yaxis{suffix}"] = {**axis_of(panel.y), "anchor": x,
                                         "domain": [round(bottom, 4), round(bottom + size, 4)]}
        if index < count - 1 and panel.x == self.figure.panels[-1].x:
            # Panels with the same x zoom together, and the lowest is labelled.
            self.layout[f"xaxis{suffix}"].update(matches=f"x{count}", showticklabels=False, title=None)
        for item in panel.content:
            {Series: self.add_series, Bars: self.add_bars, Heat: self.add_heat, Line: self.add_line}[type(item)](
                item, x, y, panel)
        if panel.right:
            self.add_right_axis(panel, x, y)

    def add_series(self, series, x, y, panel):
        style = self.styles[series.variant]
        trace = {"type": "scatter", "name": series.variant, "legendgroup": series.variant, "x": series.x, "y": series.y,
                 "customdata": series.ids, "xaxis": x, "yaxis": y, "mode": "lines+markers" if series.lines else "markers",
                 "showlegend": series.variant not in self.in_legend,
                 "line": {"color": style.colour, "width": 2, "dash": "dash" if style.peer else "solid"},
                 "marker": {"symbol": style.marker + ("-open" if style.peer else ""), "color": style.colour,
                            "size": 11 if style.marker in ("star", "x", "cross") else 9,
                            "line": {"width": 2 if style.peer else 0.6, "color": style.colour if style.peer else INK}}}
        if series.low:
            trace["error_y"] = whiskers(series.y, series.low, series.high, style.colour)
        self.in_legend.add(series.variant)
        self.data.append(trace)

    def add_bars(self, bars, x, y, panel):
        styles = [self.styles[variant] for variant in bars.variants]
        names = [broken(label) for label in bars.labels or bars.variants]
        trace = {"type": "bar", "orientation": "h", "x": bars.values, "y": names, "text": bars.texts,
                 "textposition": "none", "customdata": bars.ids, "showlegend": False,
                 "xaxis": x, "yaxis": y,
                 "marker": {"color": ["white" if style.peer else style.colour for style in styles],
                            "line": {"color": [style.colour for style in styles], "width": 2}}}
        if bars.low:
            trace["error_x"] = whiskers(bars.values, bars.low, bars.high, INK)
        self.data.append(trace)
        # Beside the bar or, where there is one, its interval.
        ends = [max(value, high or 0) for value, high in zip(bars.values, bars.high)] if bars.low else bars.values
        self.data.append({"type": "scatter", "mode": "text", "x": ends, "y": names,
                          "text": [" " + text for text in bars.texts], "textposition": "middle right",
                          "cliponaxis": False, "hoverinfo": "skip", "showlegend": False, "xaxis": x, "yaxis": y})
        self.layout["yaxis" + y[1:]].update(autorange="reversed", showgrid=False, type="category")

    def add_heat(self, heat, x, y, panel):
        texts = [[broken(f"<b>{text}</b>" if bold else text) for text, bold in zip(*row)] for row in zip(heat.texts, heat.bold)]
        self.data.append({"type": "heatmap", "x": heat.columns, "y": [broken(row) for row in heat.rows], "z": heat.values,
                          "text": texts, "texttemplate": "%{text}", "textfont": {"color": INK, "size": 11}, "customdata": heat.ids,
                          "zmin": 0, "zmax": 1, "colorscale": [list(stop) for stop in HEAT],
                          "xgap": 2, "ygap": 2, "xaxis": x, "yaxis": y,
                          "colorbar": {"title": {"text": heat.scale_title, "side": "right"}, "thickness": 12,
                                       "tickformat": ".0%", "outlinewidth": 0}})
        self.layout["yaxis" + y[1:]].update(autorange="reversed", showgrid=False, type="category")
        self.layout["xaxis" + x[1:]].update(showgrid=False, type="category", tickangle=-45)

    def add_line(self, line, x, y, panel):
        if line.x and line.y:
            self.data.append({"type": "scatter", "mode": "lines", "x": line.x, "y": line.y, "xaxis": x, "yaxis": y,
                              "name": line.text, "showlegend": False, "hoverinfo": "skip",
                              "line": {"color": line.colour, "width": 1.3, "dash": DASHES[line.dash],
                                       "shape": "hv" if line.dash == "step" else "linear"}})
            if line.text:
                # Above the flat end of a step line, below a line that rises.
                place, anchor = (-1, "bottom") if line.dash == "step" else (0, "top")
                self.add_text(line, x=shown(line.x[place], panel.x), y=shown(line.y[place], panel.y), xref=x, yref=y,
                              xanchor="left", yanchor=anchor)
            return
        across = {"x0": 0, "x1": 1, "xref": f"{x} domain", "y0": line.y[0], "y1": line.y[0], "yref": y} if line.y else \
                 {"y0": 0, "y1": 1, "yref": f"{y} domain", "x0": line.x[0], "x1": line.x[0], "xref": x}
        self.layout["shapes"].append({"type": "line", "layer": "below", **across,
                                      "line": {"color": line.colour, "width": 1.3, "dash": DASHES[line.dash]}})
        if line.text and line.y:
            self.add_text(line, x=0.005, xref=f"{x} domain", xanchor="left", y=shown(line.y[0], panel.y), yref=y,
                          yanchor="bottom")
        elif line.text:  # above the panel, where no data is
            self.add_text(line, x=shown(line.x[0], panel.x), xref=x, xanchor="center", y=1, yref=f"{y} domain",
                          yanchor="bottom")

    def add_text(self, line, **place):
        self.layout["annotations"].append({"text": line.text, "showarrow": False, "bgcolor": "rgba(255,255,255,0.7)",
                                           "borderpad": 0, "font": {"size": 11, "color": line.colour}, **place})

    def add_right_axis(self, panel, x, y):
        title, factor = panel.right
        number = len(self.figure.panels) + len(self.right) + 1
        low, high = panel.y.limits
        self.layout[f"yaxis{number}"] = {"overlaying": y, "anchor": x, "side": "right", "showgrid": False,
                                         "title": {"text": title, "standoff": 8}, "tickmode": "linear", "tick0": 0,
                                         "dtick": 20, "range": [low * factor, high * factor],
                                         "zeroline": False, "automargin": True, "ticks": "outside", "fixedrange": True}
        # An axis is drawn only if a trace is on it.
        self.data.append({"type": "scatter", "x": [panel.x.limits[0]], "y": [low * factor], "xaxis": x,
                          "yaxis": f"y{number}", "opacity": 0, "hoverinfo": "skip", "showlegend": False,
                          "mode": "markers"})
        self.right.append({"axis": f"yaxis{number}", "of": f"yaxis{y[1:]}", "factor": factor})


def axis_of(axis):
    drawn = {"title": {"text": axis.title}, "gridcolor": GRID, "zeroline": False, "automargin": True, "ticks": "outside",
             "linecolor": "#999999", "showline": True}
    if axis.log:
        drawn["type"] = "log"
    if axis.limits:
        drawn["range"] = [shown(limit, axis) for limit in axis.limits]
    if axis.ticks:
        drawn.update(tickmode="array", tickvals=[value for value, _ in axis.ticks],
                     ticktext=[broken(text) for _, text in axis.ticks])
    return drawn


def shown(value, axis):
    """Plotly gives ranges and annotations of logarithmic axes as exponents."""
    return round(log10(value), 5) if axis.log else value


def whiskers(values, low, high, colour):
    def distance(a, b):
        return None if a is None or b is None else max(0.0, float(f"{b - a:.4g}"))

    return {"type": "data", "symmetric": False, "array": [distance(v, h) for v, h in zip(values, high)],
            "arrayminus": [distance(l, v) for l, v in zip(low, values)], "thickness": 1.2, "width": 3, "color": colour}
