"""One colour and one marker per variant, the same in every plot of every file.

Our variants are filled and drawn solid, libraries hollow and dashed. Colours of the ladder and of libraries are those of
Paul Tol's schemes `muted` and `vibrant` and of Okabe and Ito, made to be told apart by colour-blind eyes; the markers
alone do it too, in grey print. A variant that is not shipped has a colour that nothing shipped has.
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
    "naive_backward": Style("#9999CC", "triangle-left"),
    "flash_backward": Style("#3366CC", "triangle-right"),
    "amx_serial": Style("#FF6666", "diamond-tall"),
    "amx_overlap": Style("#6600CC", "octagon"),
    "dot_bf16": Style("#FF9900", "diamond-wide"),
    "blas": Style("#D55E00", "square", peer=True),
    "onednn": Style("#0072B2", "diamond", peer=True),
    "torch": Style("#EE3377", "circle", peer=True),
    "eigen": Style("#009988", "triangle-up", peer=True),
    "ggml": Style("#000000", "pentagon", peer=True),
    "ggml_f16": Style("#999999", "hexagon", peer=True),
}
# Of variants that are not shipped: as far from the colours above, seen by any eye, as there are.
OWN_COLOURS = ["#0000FF", "#FF33FF", "#99CC00", "#990000", "#00CC99", "#0099FF"]
PEERS = [name for name, style in FIXED.items() if style.peer]


def fixed(name):
    """Of a variant, also where an ISA and a problem follow its name; None where it has none."""
    return FIXED.get(re.split("[/ ]", name, maxsplit=1)[0])


def assign(names):
    """A style for each name. Those without a fixed one get, in alphabetical order, the colours of one's own."""
    markers = [style.marker for style in FIXED.values() if not style.peer]
    # Neighbours in this order differ in both colour and marker.
    own = [Style(colour, markers[(place + turn) % len(markers)]) for turn in range(len(markers))
           for place, colour in enumerate(OWN_COLOURS)]
    unknown = sorted(name for name in set(names) if not fixed(name))
    return {**{name: fixed(name) for name in names if fixed(name)},
            **{name: own[place % len(own)] for place, name in enumerate(unknown)}}
