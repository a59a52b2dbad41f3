"""What a plot shows, apart from how it is drawn: to_plotly.py draws it for the page, to_matplotlib.py into files."""

from dataclasses import dataclass, field


@dataclass
class Axis:
    title: str
    log: bool = False
    ticks: list | None = None  # (value, text)
    limits: tuple | None = None  # in the axis's own values, also where it is logarithmic


@dataclass
class Series:
    """Points of one variant. `ids` are places in the table of cases, which knows what to say of a point."""

    variant: str
    x: list
    y: list
    ids: list
    low: list | None = None
    high: list | None = None
    lines: bool = True


@dataclass
class Bars:
    """Horizontal bars, the first on top; named after their variants where they have no `labels`."""

    variants: list
    values: list
    ids: list
    texts: list
    low: list | None = None
    high: list | None = None
    labels: list | None = None


@dataclass
class Heat:
    """Values from 0 to 1 by row and column; None where there is none. `ids`, `texts` and `bold` in the same shape."""

    rows: list
    columns: list
    values: list
    texts: list
    ids: list
    scale_title: str
    bold: list


@dataclass
class Line:
    """A line of reference: a polyline, or with one coordinate alone a straight line across the panel."""

    text: str
    x: list | None = None
    y: list | None = None
    dash: str = "dot"  # dot, dash, solid, step (solid, and horizontal first)
    colour: str = "#555555"


@dataclass
class Panel:
    x: Axis
    y: Axis
    content: list = field(default_factory=list)
    right: tuple | None = None  # (title, factor): a second scale of the same y, value times factor


@dataclass
class Figure:
    section: str
    choice: str  # what tells it from the other figures of its section
    title: str
    provenance: str
    note: str = ""  # how to read it, where the section does not say
    panels: list = field(default_factory=list)
    weight: tuple = ()  # of a section's figures the heaviest comes first
