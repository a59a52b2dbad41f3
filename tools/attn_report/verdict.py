"""The answer first: the fastest correct variant of each problem family, by how much, and how far from the ceiling.

A lead is claimed only where passes that were taken in turns support it. Of two variants, one is *ahead* on a problem where
it is `fastest` and the other `behind` (standing.py). Over a family the winner leads if it is ahead of the runner-up on
more than half of the problems that both ran, the runner-up is ahead on none, and the mean ratio agrees. If the runner-up is
ahead somewhere, both counts are told instead; otherwise the two are level. Files without standings keep the
weaker rule of intervals (is_level).
"""

from dataclasses import dataclass

import numpy

from .frame import BASELINES, fastest_rows
from .results import name_of_peak
from .standing import is_ahead

# Nearer than this two single runs cannot be told apart; the gate's limit.
LEVEL = 1.03


@dataclass
class Verdict:
    run: int
    family: str
    threads: int
    problems: int
    winner: str
    isa: str
    wins: int  # problems of which the winner is the fastest
    ties: int  # problems on which it is level with the fastest
    runner_up: str  # empty where nothing else ran
    lead: float  # geometric mean over the problems that both ran
    level: bool  # no lead is claimed
    paired: int  # problems on which paired passes judge the two
    ahead: int  # of these, where the winner is ahead of the runner-up
    behind: int  # and where it is the other way round
    gflops: tuple  # lowest, highest
    share: tuple  # lowest, median, highest; of the ceiling, in percent; empty where not measured
    ceiling: str
    over_naive: float  # NaN without naive


def verdicts(frame):
    # A row whose check could not tell right from wrong is no answer to who is the fastest that is right.
    frame = frame[~frame["mistrusted"].astype(bool)]
    found = []
    for (run, family, threads), rows in frame.groupby(["run", "family", "threads"], sort=False):
        found.append(judge(run, family, threads, rows, frame))
    return sorted(found, key=lambda v: (v.run, v.threads, -v.problems))


def judge(run, family, threads, rows, frame):
    best = fastest_rows(rows, ["variant", "problem"])
    speeds = best.pivot(index="problem", columns="variant", values="gflops")
    leads = fastest_rows(best, ["problem"]).set_index("problem")
    winner, runner_up = first_two(speeds, leads)
    own = best[best["variant"] == winner]
    pairs = own.merge(best[best["variant"] == runner_up], on="problem")
    lead = float(geometric_mean(pairs["gflops_x"] / pairs["gflops_y"])) if len(pairs) else float("nan")
    share = own["pct_bandwidth"].where(own["decode"], own["pct_peak"]).dropna()
    naive = frame[(frame["run"] == run) & frame["variant"].isin(BASELINES) & (frame["threads"] == 1)
                  & (frame["kind"] == rows["kind"].iloc[0])]
    ratios = (own["gflops"] / own["problem"].map(naive.groupby("problem")["gflops"].max())).dropna()
    wins = own["problem"].map(leads["variant"]) == winner
    judged = pairs[(pairs["standing_x"] != "") & (pairs["standing_y"] != "")]
    ahead = sum(map(is_ahead, judged["standing_x"], judged["standing_y"]))
    behind = sum(map(is_ahead, judged["standing_y"], judged["standing_x"]))
    level = not (lead > 1 and 2 * ahead > len(judged) and not behind) if len(judged) else is_level(pairs, lead)
    return Verdict(
        run, family, threads, len(speeds), winner, "/".join(sorted(set(own["isa"]))), int(wins.sum()),
        int((~wins & (own["standing"] == "level")).sum()), runner_up if len(pairs) else "", lead, level and len(pairs) > 0,
        len(judged), ahead, behind, (own["gflops"].min(), own["gflops"].max()),
        (share.min(), share.median(), share.max()) if len(share) else (),
        "read bandwidth" if bool(own["decode"].all()) else name_of_peak(own),
        float(geometric_mean(ratios)))


def first_two(speeds, leads):
    """How near each comes to the leader of each problem that it ran, on average; who ran half of them or fewer is no answer
    to the family. Nobody is nearer than the leader itself, even where its median is lower."""
    nearness = geometric_mean(speeds.div(leads["gflops"], axis=0).clip(upper=1))
    wins = leads["variant"].value_counts()
    ranked = sorted(nearness.index, key=lambda variant: (speeds[variant].notna().mean() <= 0.5, -nearness[variant],
                                                         -wins.get(variant, 0)))
    if speeds[ranked[0]].notna().mean() > 0.5:
        ranked = [variant for variant in ranked if speeds[variant].notna().mean() > 0.5]
    return ranked[0], ranked[1] if len(ranked) > 1 else ""


def geometric_mean(values):
    """Of each column, over what is there."""
    return numpy.exp(numpy.log(values).mean())


def is_level(pairs, lead):
    """With repetitions: the intervals overlap on most problems. Without: the lead is small."""
    known = pairs[pairs["low_x"].notna() & pairs["low_y"].notna()]
    if len(known):
        return bool((known["low_x"] <= known["high_y"]).mean() > 0.5)
    return lead < LEVEL


def lead_text(verdict):
    if not verdict.runner_up:
        return "nothing else ran"
    times, other = f"{verdict.lead:.2f}x", verdict.runner_up
    if not verdict.level:
        return f"{times} over {other}"
    if verdict.behind:
        return f"ahead of {other} on {verdict.ahead} of {verdict.paired}, behind on {verdict.behind} ({times})"
    return f"level with {other} ({times})" + (f", ahead on {verdict.ahead} of {verdict.paired}" if verdict.ahead else "")


def share_text(verdict):
    if not verdict.share:
        return "-"
    low, median, high = verdict.share
    spread = f" ({low:.0f}-{high:.0f})" if f"{low:.0f}" != f"{high:.0f}" else ""
    return f"{median:.0f} %{spread} of {verdict.ceiling}" + ("!" if high > 100 else "")


def speed_text(verdict):
    low, high = (f"{value:.0f}" if value >= 100 else f"{value:.1f}" for value in verdict.gflops)
    return low if low == high else f"{low}-{high}"


def wins_text(verdict):
    return f"{verdict.wins} of {verdict.problems}" + (f", level on {verdict.ties}" if verdict.ties else "")


def naive_text(verdict):
    return "-" if verdict.over_naive != verdict.over_naive else f"{verdict.over_naive:.1f}x"


HEADER = ["problem family", "threads", "fastest correct variant", "ahead by", "fastest on", "GFLOP/s", "of the roof",
          "over naive"]


def cells(verdict):
    return [verdict.family, str(verdict.threads), f"{verdict.winner} ({verdict.isa})" if verdict.isa != "-" else verdict.winner, lead_text(verdict),
            wins_text(verdict), speed_text(verdict), share_text(verdict), naive_text(verdict)]
