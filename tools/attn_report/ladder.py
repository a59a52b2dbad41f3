"""The rungs, in the order in which variants/README.md tells them."""

import re

from .environment import ROOT
from .errors import BadInput


def rungs(readme=None):
    """The variants that the hand-written table names, in its order."""
    path = ROOT / "variants/README.md"
    if readme is None:
        try:
            readme = path.read_text(encoding="utf-8")
        except OSError as error:
            raise BadInput(f"cannot read variants/README.md: {error.strerror}") from error
    found = re.findall(r"^\| \[(\w+)\]\(\1(?:\.\w+)?\.cpp\) \|", readme, re.MULTILINE)
    if not found:
        raise BadInput("variants/README.md: no table of rungs, such as | [naive](naive.cpp) | ...")
    return found
