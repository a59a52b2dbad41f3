"""Marks: what a row itself says that a reader should know before trusting its figures."""

from dataclasses import dataclass

MEANINGS = {
    "unsteady": "passes or slices disagree by more than 10 %",
    "mistrusted": "its check could not tell right from wrong; it is in no ranking",
    "oversubscribed": "more threads than the cores that the process may use",
    "suspect_threads": "CPU time does not fit the number of threads that the row names",
    "interrupted": "the run was stopped before the last of its passes",
}
MISTRUSTED = "mistrusted"


@dataclass
class Summary:
    mark: str
    rows: int
    meaning: str  # empty of a mark of later
    example: str  # the first row that has it
    reason: str  # of the example

    def text(self):
        return f"{word(self.mark)}: {self.rows}" + (f" ({self.meaning})" if self.meaning else "")


def word(mark):
    return mark.replace("_", " ")


def summaries(run):
    """One per mark of the run, in the order of MEANINGS, those of later last."""
    having = {}
    for case in run.measured():
        for mark in case.marks:
            having.setdefault(mark, []).append(case)
    order = [*(mark for mark in MEANINGS if mark in having), *sorted(set(having) - set(MEANINGS))]
    return [Summary(mark, len(having[mark]), MEANINGS.get(mark, ""), having[mark][0].full_name,
                    having[mark][0].marks[mark]) for mark in order]


def heading(run):
    cases = run.measured()
    return f"{sum(bool(case.marks) for case in cases)} of {len(cases)} rows are marked"
