"""What attnbench gate found out: gate.json as plots, a table and an answer."""

import html
import re
from dataclasses import dataclass
from pathlib import Path

from . import gate_shape
from .errors import BadInput
from .figure import Axis, Bars, Figure, Line, Panel, Series
from .gate_shape import WORST_FIRST
from .json_file import parse_json
from .problem import parse_row_name
from .shape import validated

SCHEMA = 2
COLUMNS = [("status", "verdict", False), ("variant", "variant", False), ("isa", "ISA", False),
           ("problem", "problem", False), ("threads", "threads", True), ("slower", "slower by, %", True),
           ("low", "from, %", True), ("high", "to, %", True), ("detectable", "would see, %", True),
           ("rounds", "rounds", True), ("note", "note", False), ("command", "to look closer", False)]
CASES_NOTE = ("Click a heading to sort. From, to: the 90 % interval, which is valid although the gate "
              "stopped when it knew enough; empty where it is not bounded yet.")


@dataclass
class Section:
    KEY: str
    QUESTION: str
    HOW: str
    MISSING: str


RATIOS = Section("ratios", "How much slower is each case?",
                 "The candidate's time over the base's, less 100 %; bars at their ends: the 90 % interval. Dotted: what counts "
                 "as slower at all, and the limit that PROVEN stays below.", "cases")
ROUNDS = Section("rounds", "What did the rounds say?",
                 "A point per round of fresh processes, in the order of time: the screen's short rounds, then the "
                 "confirmation's. Only their signs decide, so that one wild round is one vote.", "rounds")


def is_gate(path):
    """Whether this is a report of the gate rather than a result file."""
    try:
        document = parse_json(Path(path))
    except BadInput:
        return False
    return isinstance(document, dict) and "attnbench_gate" in document


def load(path):
    document = parse_json(Path(path))
    if document["attnbench_gate"] != SCHEMA:
        raise BadInput(f"{path}: written in schema {document['attnbench_gate']} of the gate; this tool reads schema {SCHEMA}, "
                       "so take the tools/report of the revision that wrote the file")
    try:
        return Gate(validated(gate_shape.Document, document, str).model_dump())
    except BadInput as error:
        raise BadInput(f"{path}: no report of attnbench gate: {error}") from error


def percent(ratio):
    return None if ratio is None else round(100 * (ratio - 1), 3)


def deciding_rounds(case):
    """How many rounds the verdict rests on: a case that is confirmed is judged afresh, by its full rounds alone."""
    phase = "confirm" if case["confirmed"] else "screen"
    return sum(entry["phase"] == phase for entry in case["rounds"])


class Gate:
    def __init__(self, document):
        self.document = document
        self.base, self.candidate = document["base"], document["candidate"]
        # A case that an early end left unmeasured has nothing to show.
        cases = [case for case in document["cases"] if case["rounds"] or case["verdict"] == "WRONG"]
        self.cases = sorted(cases, key=lambda case: (WORST_FIRST.index(case["verdict"]), -(case["ratio"] or 1)))
        self.names = [parse_row_name(case["name"]) for case in self.cases]
        self.labels = [f"{name.variant}/{name.isa} {name.problem}" + (f", {name.threads} threads" if name.threads > 1 else "")
                       for name in self.names]
        self.rows = [self.row(case, name) for case, name in zip(self.cases, self.names)]
        self.headline = self.outcome_text()

    def provenance(self):
        known = self.candidate
        return (f"{known['cpu']} ({known['cores']} cores), base {self.base['revision']}, candidate {known['revision']}, "
                f"{known['compiler']}, {' '.join(known['flags'].split())}, {len(self.cases)} cases in "
                f"{self.document['seconds']:.0f} s, alpha {self.document['criteria']['alpha']}")

    def outcome_text(self):
        counts = {verdict: sum(case["verdict"] == verdict for case in self.cases) for verdict in WORST_FIRST}
        told = [f"{count} {verdict.lower()}" for verdict, count in counts.items() if count]
        suite = self.document["suite"]
        if suite["verdict"] == "REGRESSED" and suite["ratio"]:
            told.append(f"the suite as a whole slower by {100 * (suite['ratio'] - 1):.1f} %")
        return f"{self.document['outcome']}: {self.document['failure'] or ', '.join(told) or 'nothing was measured'}"

    def row(self, case, name):
        rounds = deciding_rounds(case)
        notes = [case["failure"], "measured again in full rounds" if case["confirmed"] else "",
                 "the same machine code in both builds" if case["same_code"] else ""]
        row = {"status": case["verdict"], "variant": name.variant, "isa": name.isa, "problem": name.problem,
               "threads": name.threads, "slower": percent(case["ratio"]) if rounds else None,
               "low": percent(case["low"]), "high": percent(case["high"]),
               "detectable": percent(case["detectable"]), "rounds": rounds,
               "note": "; ".join(note for note in notes if note),
               "command": f"tools/gate --problem {name.problem} --variants '^{re.escape(name.variant)}$' --isa {name.isa} "
                          f"--threads {name.threads}"}
        row["hover"] = f"<b>{name.variant}</b> {name.isa}<br>{name.problem}<br>{case['verdict']}"
        if row["slower"] is not None:
            row["hover"] += f", {row['slower']:+.2f} % in {row['rounds']} rounds"
        return row

    def figures(self):
        """{section key: figures}."""
        measured = [place for place, row in enumerate(self.rows) if row["slower"] is not None]
        if not measured:
            return {}
        return {RATIOS.KEY: [self.ratios(measured)], ROUNDS.KEY: [self.rounds_of(place) for place in measured]
                + [self.whole(key, text) for key, text in (("suite", "the suite, mean of the middle half of the cases"),
                                                           ("null_arm", "null arm, the base against a copy of itself"))
                   if self.document[key]["rounds"]]}

    def limits(self):
        return percent(self.document["criteria"]["min_effect"]), percent(self.document["criteria"]["limit"])

    def ratios(self, places):
        rows = [self.rows[place] for place in places]
        values = [row["slower"] for row in rows]
        low, high = ([row[key] if row[key] is not None else row["slower"] for row in rows] for key in ("low", "high"))
        texts = [f"{row['slower']:+.1f} %  {row['status']}" for row in rows]
        left, right = min(-5.0, *low) * 1.05, max(5.0, *high)
        right += 0.5 * (right - left)  # for the texts
        least, limit = self.limits()
        panel = Panel(Axis("slower by, %", limits=(left, right)), Axis(""),
                      [Bars([self.labels[place] for place in places], values, places, texts, low, high),
                       Line("", x=[least]), Line("", x=[limit])])
        return Figure(RATIOS.KEY, "", "Candidate against base", self.provenance(), "", [panel])

    def rounds_of(self, place):
        case = self.cases[place]
        return self.over_rounds(self.labels[place], self.names[place].variant, [percent(entry["ratio"]) for entry in case["rounds"]],
                                percent(case["min_effect"]), f"{case['verdict']} by {deciding_rounds(case)} rounds.", place)

    def whole(self, key, text):
        whole = self.document[key]
        rounds = [percent(ratio) for ratio in whole["rounds"]]
        return self.over_rounds(text, key.replace("_", " "), rounds, percent(whole["min_effect"]),
                                f"{whole['verdict']} by {len(rounds)} rounds.", None)

    def over_rounds(self, label, name, values, least, note, place):
        limit = self.limits()[1]
        # A round whose blocks were all dropped has no ratio.
        known = [(turn, value) for turn, value in enumerate(values, 1) if value is not None]
        reach = max([5.0, *(abs(value) for _, value in known)]) * 1.1
        series = Series(name, [turn for turn, _ in known], [value for _, value in known], [place] * len(known), lines=False)
        counts = [] if least is None else [Line(f"counts from {least:g} %", y=[least])]
        panel = Panel(Axis("round", limits=(0, len(values) + 1)), Axis("slower by, %", limits=(-reach, reach)),
                      [Line("", y=[0], dash="solid"), *counts, Line(f"limit {limit:g} %", y=[limit], dash="dash"), series])
        return Figure(ROUNDS.KEY, label, f"Rounds: {label}", self.provenance(), note, [panel])


def head_html(gate):
    facts = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(gate.base[key])}"
                    + (f" | {html.escape(gate.candidate[key])}" if gate.base[key] != gate.candidate[key] else "") + "</dd>"
                    for key in gate.base if key in gate.candidate)
    bad = gate.document["outcome"] != "PASSED"
    return (f'<p class="{"failed" if bad else ""}"><strong>{html.escape(gate.headline)}</strong></p>'
            f"<details><summary>{html.escape(gate.provenance())}</summary><dl>{facts}</dl></details>")
