"""The answer first: the fastest correct variant of each problem family, by how much, and how far from the ceiling."""

from dataclasses import dataclass

import numpy

from .frame import BASELINES, fastest_rows

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
    runner_up: str  # empty where nothing else ran
    lead: float  # geometric mean over the problems that both ran
    level: bool  # lead within the noise
    gflops: tuple  # lowest, highest
    share: tuple  # lowest, median, highest; of the ceiling, in percent; empty where not measured
    ceiling: str
    over_naive: float  # NaN without naive


def verdicts(frame):
    found = []
    for (run, family, threads), rows in frame.groupby(["run", "family", "threads"], sort=False):
        found.append(judge(run, family, threads, rows, frame))
    return sorted(found, key=lambda v: (v.run, v.threads, -v.problems))


def judge(run, family, threads, rows, frame):
    best = fastest_rows(rows, ["kind", "variant", "problem"])
    speeds = best.pivot_table(index="problem", columns="variant", values="gflops")
    # How near each comes to the fastest of each problem that it ran, on average; who ran half of them or fewer is no
    # answer to the family.
    nearness = geometric_mean(speeds.div(speeds.max(axis=1), axis=0))
    ranked = nearness[speeds.notna().mean() > 0.5].sort_values(ascending=False)
    if ranked.empty:
        ranked = nearness.sort_values(ascending=False)
    winner, runner_up = ranked.index[0], ranked.index[1] if len(ranked) > 1 else ""
    lead = float(geometric_mean(speeds[winner] / speeds[runner_up])) if runner_up else float("nan")
    if lead != lead:  # no problem that both ran
        runner_up = ""
    own = best[best["variant"] == winner]
    other = best[best["variant"] == runner_up]
    share = own["pct_bandwidth"].where(own["decode"], own["pct_peak"]).dropna()
    naive = frame[(frame["run"] == run) & frame["variant"].isin(BASELINES) & (frame["threads"] == 1)
                  & (frame["kind"] == rows["kind"].iloc[0])]
    base = own["problem"].map(naive.groupby("problem")["gflops"].max())
    ratios = (own["gflops"] / base).dropna()
    return Verdict(
        run, family, threads, len(speeds), winner, "/".join(sorted(set(own["isa"]))),
        int((speeds[winner] >= speeds.max(axis=1)).sum()), runner_up, lead, bool(runner_up) and is_level(own, other, lead),
        (own["gflops"].min(), own["gflops"].max()),
        (share.min(), share.median(), share.max()) if len(share) else (),
        "read bandwidth" if bool(own["decode"].all()) else "FMA peak",
        float(geometric_mean(ratios)))


def geometric_mean(values):
    """Of each column, over what is there."""
    return numpy.exp(numpy.log(values).mean())


def is_level(own, other, lead):
    """With repetitions: the intervals overlap on most problems. Without: the lead is small."""
    pairs = own.merge(other, on="problem")
    pairs = pairs[pairs["low_x"].notna() & pairs["low_y"].notna()]
    if len(pairs):
        return bool((pairs["low_x"] <= pairs["high_y"]).mean() > 0.5)
    return lead < LEVEL


def lead_text(verdict):
    if not verdict.runner_up:
        return "nothing else ran"
    times = f"{verdict.lead:.2f}x"
    return f"level with {verdict.runner_up} ({times})" if verdict.level else f"{times} over {verdict.runner_up}"


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
    return f"{verdict.wins} of {verdict.problems}"


def naive_text(verdict):
    return "-" if verdict.over_naive != verdict.over_naive else f"{verdict.over_naive:.1f}x"


HEADER = ["problem family", "threads", "fastest correct variant", "ahead by", "fastest on", "GFLOP/s", "of the ceiling",
          "over naive"]


def cells(verdict):
    return [verdict.family, str(verdict.threads), f"{verdict.winner} ({verdict.isa})" if verdict.isa != "-" else verdict.winner, lead_text(verdict),
            wins_text(verdict), speed_text(verdict), share_text(verdict), naive_text(verdict)]
