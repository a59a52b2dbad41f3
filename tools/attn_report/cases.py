"""Every case of every run as the rows of the page's table, in the order of frame.id."""

import math

from . import marks, units
from .frame import threads_text
from .plots.common import labels_of, short
from .problem import number, parse_problem
from .results import FMA, peak_text
from .standing import ALONE, LEVEL

# (key, heading, is it a number): of each row, in this order.
COLUMNS = [("model", "model", False), ("problem", "problem", False), ("variant", "variant", False), ("isa", "ISA", False),
           ("threads", "threads", True), ("gflops", "GFLOP/s", True), ("interval", "interval", True), ("time_us", "time", True),
           ("tokens", "tokens/s", True), ("share", "% of roof", True), ("binds", "binds", False), ("standing", "standing", False),
           ("error", "error", True), ("reps", "reps", True), ("marks", "marks", False), ("run", "run", False),
           ("note", "note", False), ("command", "repeat", False)]


def rows_of(runs, frame):
    """[{key: value}] with the keys of COLUMNS and, beside them: `shown`, texts of figures; `front`, whether it is the fastest or
    level with it; `passes`, GFLOP/s of each; `hover`, which plots show; `reasons`, which the marks do."""
    labels = labels_of(runs) if len(runs) > 1 else [""] * len(runs)
    fronts = dict(zip(frame["id"], frame["front"]))
    all_cases = [(case, run, label) for run, label in zip(runs, labels) for case in run.cases]
    return [row_of(case, run, label, fronts.get(place, "")) for place, (case, run, label) in enumerate(all_cases)]


def opening_order(rows):
    """Places of rows: problem by problem as the sweep has them, the fastest first, what failed below it; what was skipped last."""
    problems = {}
    for row in rows:
        problems.setdefault(contest_of(row), len(problems))
    return sorted(range(len(rows)), key=lambda place: (rows[place]["status"] == "skipped", problems[contest_of(rows[place])],
                                                       -(rows[place]["gflops"] or 0), place))


def contest_of(row):
    return row["run"], row["problem"], row["threads"]


def row_of(case, run, label, front):
    name = case.name
    decode = not math.isnan(case.pct_bandwidth)
    share = case.pct_bandwidth if decode else case.pct_peak
    problem = name.problem if name.kind == "attention" else f"{name.kind}: {name.problem}"
    row = {"status": case.status, "marks": ", ".join(map(marks.word, case.marks)) if case.status == "ok" else case.status, "variant": name.variant, "isa": name.isa, "problem": problem,
           "threads": name.threads, "gflops": short(case.gflops, 4), "standing": standing_of(case, front),
           "share": short(share, 3), "binds": binds_of(case), "time_us": short(case.time_us, 4), "tokens": short(tokens_per_second(case), 4),
           "error": short(case.error, 2), "reps": case.repetitions or None, "interval": interval_of(case),
           "model": case.model, "run": label, "note": note_of(case, decode), "command": reproducer(case, run), "front": bool(front)}
    row["shown"] = {key: text for key, text in (
        ("gflops", units.digits(case.gflops, 4)), ("share", units.digits(row["share"] or 0)), ("time_us", units.time(case.time_us)), ("error", f"{case.error:.1e}".replace("e-0", "e-")),
        ("tokens", units.count(row["tokens"] or 0))) if row[key] is not None}
    if case.passes:
        row["passes"] = [short(speed, 4) for speed in case.passes]
    if case.marks:
        row["reasons"] = "; ".join(reasons(case))
    if case.status == "ok":
        row["hover"] = hover_of(case, row, decode)
    return row


def tokens_per_second(case):
    """Queries over the time of a call, of the forward pass of attention; NaN of everything else."""
    problem = parse_problem(case.name.problem)
    batch, queries = number(problem, "b"), number(problem, "q")
    forward = case.name.kind == "attention" and problem.get("pass", "fwd") == "fwd"
    return 1e6 * batch * queries / case.time_us if forward and batch and queries and case.time_us > 0 else math.nan


def standing_of(case, front):
    """Empty where no paired passes tell."""
    return front or case.standing if case.standing and case.status == "ok" else ""


def binds_of(case):
    """Such as `L3 read 91 %`; empty where the file does not tell."""
    return f"{case.binds} {units.digits(case.pct_roof)} %" if case.binds and not math.isnan(case.pct_roof) else ""


def interval_of(case):
    return "" if math.isnan(case.low) else f"{units.digits(case.low, 4)}-{units.digits(case.high, 4)}"


def note_of(case, decode):
    parts = [case.reason, case.label, *reasons(case)]
    if decode:
        parts.append("ceiling: read bandwidth")
    elif case.peak_unit != FMA:
        of_fma = "" if math.isnan(case.pct_fma_peak) else f"; {units.digits(case.pct_fma_peak)} % of the FMA peak"
        parts.append(f"ceiling: {peak_text(case.peak_unit)}{of_fma}")
    if case.conversion_s > 0:
        parts.append(f"conversion of {case.conversion_s:.2g} s, not timed")
    if case.part_s:
        parts.append("µs a call: " + ", ".join(f"{part} {1e6 * seconds:.4g}" for part, seconds in case.part_s.items()))
    if case.libraries:
        parts.append(f"bound to {case.libraries}")
    return "; ".join(part for part in parts if part)


def reasons(case):
    return [f"{marks.word(mark)}: {reason}" if reason else marks.word(mark) for mark, reason in case.marks.items()]


def hover_of(case, row, decode):
    name = case.name
    interval = f" ({row['interval']}, {case.repetitions} repetitions)" if row["interval"] else ""
    lines = [f"<b>{name.variant}</b> {name.isa}" + (f" [{case.label}]" if case.label else ""), *([case.model] if case.model else []),
             f"{row['problem']}, {threads_text(name.threads)}", f"{row['shown']['gflops']} GFLOP/s{interval}"]
    if case.standing:
        lines.append({ALONE: "the fastest of its problem by paired passes", LEVEL: "level with the fastest of its problem"}.get(
            row["standing"], "behind the fastest of its problem"))
    if row["time_us"] is not None:
        lines.append(f"{row['shown']['time_us']} a call")
    if row["tokens"] is not None:
        lines.append(f"{row['shown']['tokens']} tokens/s, attention only")
    if row["share"] is not None:
        lines.append(f"{row['shown']['share']} % of the {'read bandwidth' if decode else peak_text(case.peak_unit)}")
    if row["binds"]:
        lines.append(f"bound by {row['binds']}")
    if row["error"] is not None:
        allowed = "" if math.isnan(case.tolerance) else f", allowed {case.tolerance:.1e}"
        lines.append(f"error {row['shown']['error']}{allowed}")
    if not math.isnan(case.quantisation):
        lines.append(f"error {case.quantisation:.1e} against keys and values before they were quantised")
    lines += reasons(case)
    if row["run"]:
        lines.append(row["run"])
    return "<br>".join(lines)


def reproducer(case, run):
    """The command that repeats this case; empty for a kind of row that this tool does not know."""
    name = case.name
    problem, variant = name.problem, name.variant
    if name.kind == "layer" and variant.count("/") == 1 and name.isa != "-":
        form, variant = variant.split("/")
        problem += f"/layer:{form}"
    elif name.kind != "attention":
        return ""
    command = "verify" if case.status == "failed" else "run"
    return (f"attnbench {command} --problem {problem} --variants {variant} --isa {name.isa} "
            f"--threads {name.threads} --seed {run.fact('seed')}{run.context.get('plugin_arguments') or ''}")
