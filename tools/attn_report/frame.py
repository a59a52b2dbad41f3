"""The measured cases of all runs as one pandas table, and the ways in which plots cut it."""

import numpy
import pandas

from . import standing
from .ladder import all_rungs
from .marks import MISTRUSTED
from .problem import DECODE_QUERIES, ISAS, family, number, parse_problem
from .styles import PEERS

NUMBERS = ["gflops", "low", "high", "time_us", "pct_peak", "pct_bandwidth", "bandwidth", "bytes", "error", "tolerance",
           "repetitions"]
# What speedups are over: each pass has its own.
BASELINES = ["naive", "naive_backward"]
# Rows of which one is the fastest.
CONTEST = ["run", "kind", "problem", "threads"]
COLUMNS = ["id", "run", "kind", "variant", "isa", "problem", "threads", "family", "q", "k", "decode", "peer", "rung", "order",
           "interval_kind", "standing", "rank", "mistrusted", "model", "front", "peak_unit", *NUMBERS]


def frame_of(runs, ladder=None):
    """A row per measured case; `id` counts all cases of all runs, also those that failed or were skipped."""
    ladder = ladder or all_rungs()
    rows, place = [], 0
    for index, run in enumerate(runs):
        for case in run.cases:
            if case.status == "ok":
                rows.append(row_of(place, index, case, ladder))
            place += 1
    frame = pandas.DataFrame(rows, columns=COLUMNS)
    return frame.assign(front=fronts(frame))


def fronts(frame):
    """Of each row, how it stands at the front of its problem and team, if it is there. A row that was not checked is not."""
    trusted = ~frame["mistrusted"].astype(bool)
    there = frame.index.isin(fastest_rows(frame[trusted], CONTEST).index) | (trusted & frame["rank"].gt(0))
    alone = there.groupby([frame[key] for key in CONTEST]).transform("sum") == 1
    return numpy.select([there & alone, there], [standing.ALONE, standing.LEVEL], "")


def row_of(place, index, case, ladder):
    name = case.name
    problem = parse_problem(name.problem)
    queries, keys = number(problem, "q"), number(problem, "k")
    decode = queries is not None and keys is not None and queries < DECODE_QUERIES
    return {
        "id": place, "run": index, "kind": name.kind, "variant": name.variant, "isa": name.isa,
        "problem": name.problem, "threads": name.threads, "family": family(name.kind, problem), "q": queries, "k": keys,
        "decode": decode, "peer": name.variant in PEERS, "rung": name.variant in ladder,
        # Rungs in the order of the ladder, then what stands beside it, then libraries.
        "order": (name.variant in PEERS, ladder.index(name.variant) if name.variant in ladder else len(ladder),
                  name.variant),
        "interval_kind": case.interval_kind, "standing": case.standing, "rank": standing.rank(case.standing),
        "mistrusted": MISTRUSTED in case.marks, "model": case.model, "peak_unit": case.peak_unit,
        **{key: getattr(case, key) for key in NUMBERS},
    }


def variants_in_order(frame):
    return list(dict.fromkeys(frame.sort_values("order")["variant"]))


def threads_text(threads):
    return "1 thread" if threads == 1 else f"{threads} threads"


def fastest_rows(frame, keys):
    """Of the rows that agree in these columns, the one whose passes lead or, where none tells, with the highest speed."""
    return frame.sort_values(["rank", "gflops"], ascending=False, kind="stable").drop_duplicates(keys).sort_index()


def isa_views(frame):
    """[(text, rows)]: one row per variant and case. Where a run has several ISAs: each variant on its fastest of them,
    then each ISA by itself."""
    isas = sorted(set(frame["isa"]), key=lambda isa: (ISAS.index(isa) if isa in ISAS else -1, isa), reverse=True)
    best = fastest_rows(frame, ["variant", "problem", "threads"])
    if len(isas) < 2:
        return [(isas[0] if isas else "", best)]
    ours = best[~best["peer"]]
    if len(set(ours["isa"])) == 1 and len(ours) == len(frame[~frame["peer"]]):
        return [(ours["isa"].iloc[0], best)]  # only libraries chose for themselves
    return [("fastest ISA of each", best), *((isa, frame[frame["isa"] == isa]) for isa in isas)]


def highest_isa(frame):
    """The ISA whose peak is the ceiling of a view: the highest of ours."""
    isas = set(frame[~frame["peer"]]["isa"]) or set(frame["isa"])
    return max(isas, key=lambda isa: ISAS.index(isa) if isa in ISAS else -1)
