"""Every case of every run as the rows of the page's table, in the order of frame.id."""

import math

from . import marks
from .frame import threads_text
from .plots.common import labels_of, short

# (key, heading, is it a number): of each row, in this order; `hover` and `reasons` beside them are shown elsewhere.
COLUMNS = [("status", "status", False), ("marks", "marks", False), ("variant", "variant", False), ("isa", "ISA", False),
           ("problem", "problem", False), ("threads", "threads", True), ("gflops", "GFLOP/s", True),
           ("standing", "standing", False), ("share", "% of ceiling", True), ("time_us", "time, µs", True), ("error", "scaled error", True),
           ("reps", "reps", True), ("interval", "interval", True), ("run", "run", False),
           ("note", "note", False), ("command", "to repeat it", False)]


def rows_of(runs):
    """[{key: value}] with the keys of COLUMNS, `hover`, which plots show, and `reasons`, which the marks do."""
    labels = labels_of(runs) if len(runs) > 1 else [""] * len(runs)
    return [row_of(case, run, label) for run, label in zip(runs, labels) for case in run.cases]


def row_of(case, run, label):
    name = case.name
    decode = not math.isnan(case.pct_bandwidth)
    share = case.pct_bandwidth if decode else case.pct_peak
    problem = name.problem if name.kind == "attention" else f"{name.kind}: {name.problem}"
    row = {"status": case.status, "marks": ", ".join(map(marks.word, case.marks)), "variant": name.variant, "isa": name.isa, "problem": problem,
           "threads": name.threads, "gflops": short(case.gflops, 4), "standing": case.standing, "share": short(share, 3),
           "time_us": short(case.time_us, 4), "error": short(case.error, 2), "reps": case.repetitions or None,
           "interval": "" if math.isnan(case.low) else f"{case.low:.4g}-{case.high:.4g}",
           "run": label, "note": note_of(case, decode), "command": reproducer(case, run)}
    if case.marks:
        row["reasons"] = "; ".join(reasons(case))
    if case.status == "ok":
        row["hover"] = hover_of(case, row, decode)
    return row


def note_of(case, decode):
    parts = [case.reason, case.label, *reasons(case)]
    if decode:
        parts.append("ceiling: read bandwidth")
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
    interval = "" if math.isnan(case.low) else f" ({case.low:.4g} to {case.high:.4g}, {case.repetitions} repetitions)"
    lines = [f"<b>{name.variant}</b> {name.isa}" + (f" [{case.label}]" if case.label else ""),
             f"{row['problem']}, {threads_text(name.threads)}", f"{row['gflops']} GFLOP/s{interval}"]
    if case.standing:
        lines.append({"fastest": "the fastest of its problem by paired passes", "level": "level with the fastest of its problem",
                      "behind": "behind the fastest of its problem"}[case.standing])
    if row["share"] is not None:
        lines.append(f"{row['share']} % of the {'read bandwidth' if decode else 'FMA peak'}")
    if row["error"] is not None:
        allowed = "" if math.isnan(case.tolerance) else f", allowed {case.tolerance:.1e}"
        lines.append(f"{row['time_us']} µs a call, error {row['error']:.1e}{allowed}")
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
