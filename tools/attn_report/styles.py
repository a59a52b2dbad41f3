"""One colour and one marker per variant, the same in every plot of every file.

Our variants are filled and drawn solid, libraries hollow and dashed. Colours are those of Paul Tol's schemes `muted` and
`vibrant` and of Okabe and Ito, made to be told apart by colour-blind eyes; the markers alone do it too, in grey print.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    colour: str
    marker: str  # plotly's name; to_matplotlib.py has the other
    peer: bool = False


FIXED = {
    "naive": Style("#333333", "circle"),
    "blocked": Style("#999933", "square"),
    "vectorized": Style("#88CCEE", "diamond"),
    "parallel_heads": Style("#44AA99", "triangle-up"),
    "online_softmax": Style("#117733", "triangle-down"),
    "register_tile": Style("#DDCC77", "cross"),
    "base2_softmax": Style("#CC6677", "pentagon"),
    "lazy_max": Style("#AA4499", "hexagon"),
    "flash": Style("#332288", "star"),
    "split_kv": Style("#882255", "x"),
    "blas": Style("#D55E00", "square", peer=True),
    "onednn": Style("#0072B2", "diamond", peer=True),
    "torch": Style("#EE3377", "circle", peer=True),
    "eigen": Style("#009988", "triangle-up", peer=True),
    "ggml": Style("#000000", "pentagon", peer=True),
}
PEERS = [name for name, style in FIXED.items() if style.peer]


def fixed(name):
    """Of a variant, also where an ISA and a problem follow its name; None where it has none."""
    return FIXED.get(re.split("[/ ]", name, maxsplit=1)[0])


def assign(names):
    """A style for each name. Names without a fixed one get, in alphabetical order, the pairs that are left."""
    colours = [style.colour for style in FIXED.values() if not style.peer]
    markers = [style.marker for style in FIXED.values() if not style.peer]
    taken = {(style.colour, style.marker) for style in FIXED.values()}
    # Neighbours in this order differ in both colour and marker.
    left = [(colour, markers[(place + turn) % len(markers)]) for turn in range(1, len(markers))
            for place, colour in enumerate(colours)]
    left = [pair for pair in left if pair not in taken]
    unknown = sorted(name for name in set(names) if not fixed(name))
    return {**{name: fixed(name) for name in names if fixed(name)},
            **{name: Style(*left[place % len(left)]) for place, name in enumerate(unknown)}}
