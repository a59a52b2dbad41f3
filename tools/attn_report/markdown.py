"""The short form, for a pull request."""

from . import disturbed, marks, verdict
from .plots.common import labels_of

SHOWN_FAILURES = 5


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in row) + " |" for row in rows])


def one_line(text):
    """A line's end in a file's text would end the row or the list."""
    return " ".join(str(text).split())


def short_form(runs, frame):
    labels = labels_of(runs)
    judged = verdict.verdicts(frame) if len(frame) else []
    parts = []
    for index, run in enumerate(runs):
        if len(runs) > 1:
            parts.append(f"### {labels[index]}")
        own = [v for v in judged if v.run == index]
        parts.append(table(verdict.HEADER, map(verdict.cells, own)) if own
                     else "No case was measured and correct.")
        failed = [case for case in run.cases if case.status == "failed"]
        if failed:
            lines = [f"**{len(failed)} failed:**", ""]
            lines += [f"- `{one_line(case.full_name)}`: {one_line(case.reason)}" for case in failed[:SHOWN_FAILURES]]
            lines += [f"- and {len(failed) - SHOWN_FAILURES} more"] if len(failed) > SHOWN_FAILURES else []
            parts.append("\n".join(lines))
        if found := marks.summaries(run):
            lines = [f"**{marks.heading(run)}:**", "", *(f"- {summary.text()}" for summary in found)]
            parts.append("\n".join(lines))
        if line := disturbed.line(run):
            parts.append(f"**{line}**")
        skipped = sum(case.status == "skipped" for case in run.cases)
        parts.append(run.provenance() + (f"; {skipped} cases skipped" if skipped else ""))
    return "\n\n".join(parts)
