"""The rungs, in the order in which variants/README.md tells them: the table first, then the paragraphs that have rungs of
their own, of one pass or one unit."""

import re

from .environment import ROOT
from .errors import BadInput


VARIANT = r"\[(\w+)\]\(\1(?:\.\w+)?\.cpp\)"


def rungs(readme=None):
    """The variants that the hand-written table names, in its order."""
    found = re.findall(rf"^\| {VARIANT} \|", read() if readme is None else readme, re.MULTILINE)
    if not found:
        raise BadInput("variants/README.md: no table of rungs, such as | [naive](naive.cpp) | ...")
    return found


def all_rungs(readme=None):
    """Those of the table and of the shorter ladders beside it. What only stands beside a ladder is no rung."""
    readme = read() if readme is None else readme
    beside = [text for text in readme.split("\n\n") if re.search(r"\brungs\b", text) and not text.startswith("|")]
    return list(dict.fromkeys(rungs(readme) + [name for text in beside for name in re.findall(VARIANT, text)]))


def read():
    try:
        return (ROOT / "variants/README.md").read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"cannot read variants/README.md: {error.strerror}") from error
