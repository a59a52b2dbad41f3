"""Row names and problem texts, read as bench/cases/case.cpp and src/problem_text.cpp write them, and kinder to what is
new: a kind of row or a key that this file does not know is kept, shown and grouped by."""

import re
from dataclasses import dataclass

from .errors import BadInput

# Ascending, as in src/isa.hpp.
ISAS = ["sse2", "avx2", "avx512", "avx512bf16", "amx", "neon64"]
ORDER = ["b", "h", "hkv", "q", "k", "d", "dv", "dtype", "mask"]
# Below this many queries a call is bound by reading keys and values (bench: pct_bandwidth stands for pct_peak).
DECODE_QUERIES = 16
SUFFIX = re.compile(r"((repeats|iterations|min_time|min_warmup_time):[0-9.]+s?|process_time|real_time|manual_time)$")
TEAM = re.compile("threads:([1-9][0-9]{0,5})")
# Not `isdigit`, which also takes a superscript two; no count of ours has more than fifteen digits, or is 0.
COUNT = re.compile("0*[1-9][0-9]{0,14}")
AGGREGATE = re.compile(r"_(mean|median|stddev|cv|BigO|RMS)$")


@dataclass(frozen=True)
class RowName:
    kind: str  # attention, layer, ...
    variant: str
    isa: str  # "-" where the name has none
    problem: str  # short text: keys at their default are left out
    threads: int


def parse_row_name(name, threads=1):
    """kind/variant/isa/key:value.../threads:N/suffix...; `threads` is used where the name tells none."""
    parts = [part for part in AGGREGATE.sub("", name).split("/") if not SUFFIX.fullmatch(part)]
    words, keys = [], []
    for part in parts:
        if team := TEAM.fullmatch(part):
            threads = int(team[1])
        else:
            (keys if ":" in part else words).append(part)
    kind = words.pop(0) if len(words) > 1 else "row"
    isa = words.pop() if len(words) > 1 and (kind == "attention" or words[-1] in ISAS) else "-"
    return RowName(kind, "/".join(words) or name, isa, short_text(parse_problem("/".join(keys), name)), threads)


def parse_problem(text, name=None):
    """The problem as a dictionary in which defaults are filled in, so that equal problems are equal."""
    keys = {}
    for part in text.split("/") if text else []:
        key, colon, value = part.partition(":")
        if not key or not colon or not value or key in keys:
            raise BadInput(f"row '{name or text}': '{part}' is not one key:value of a problem; example: "
                           "h:12/q:1024/d:64/mask:causal")
        keys[key] = value
    return {**defaults(keys), **keys}


def defaults(keys):
    given = {"b": "1", "dtype": "f32", "mask": "none"}
    for key, source in (("hkv", "h"), ("k", "q"), ("dv", "d")):
        if source in keys:
            given[key] = keys[source]
    return given


def short_text(problem):
    keys = [key for key in ORDER if key in problem] + [key for key in problem if key not in ORDER]
    default = defaults(problem)
    return "/".join(f"{key}:{problem[key]}" for key in keys if problem[key] != default.get(key))


def number(problem, key):
    """The value of a key that is a count, or None."""
    text = problem.get(key, "")
    return int(text) if COUNT.fullmatch(text) else None


def family(kind, problem):
    """What a case has in common with others that one reads together: the work, not its size."""
    queries, keys = number(problem, "q"), number(problem, "k")
    if queries is None or keys is None:
        words = [kind]
    elif queries < DECODE_QUERIES and keys > queries:
        words = ["decode"]
    else:
        words = ["full sequence" if queries == keys else "chunk against a cache"]
    if kind != "attention" and words != [kind]:
        words.insert(0, kind)
    if problem.get("pass", "fwd") != "fwd":
        words.append("backward" if problem["pass"] == "bwd" else f"pass {problem['pass']}")
    if "window" in problem:
        words.append("window")
    elif words[-1] != "decode":  # the last query sees every key, masked or not
        words.append({"none": "no mask"}.get(problem["mask"], problem["mask"]))
    if problem["dtype"] != "f32":
        words.append(problem["dtype"])
    shape = {*ORDER, "pass", "window", "fill", "lse"}
    words += [f"{key}:{value}" for key, value in problem.items() if key not in shape]
    return ", ".join(words)
