"""The page: one HTML file that needs nothing else. Text is made here, what depends on the screen in page.js."""

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

from plotly.offline import get_plotlyjs

from . import cases, ceilings, disturbed, gate, marks, verdict
from .json_file import writable
from .plots import SECTIONS, figures_of, words_of
from .plots.common import labels_of
from .styles import assign
from .to_plotly import plotly_of, variants_of

HERE = Path(__file__).parent
SHOWN_FAILURES = 5
ANSWER = "By how much, in each family of problems?"

CASES_NOTE = ("Problem by problem, the fastest first and bold, with who is level with it (=). Click a row for the distribution of its "
              "passes, a heading to sort. Of repetitions the one of median time is shown, with its own share of the roof; the interval "
              "of GFLOP/s covers the median with 95 % or, of fewer than six repetitions, is their range. Tokens/s: queries over the "
              "time of a call, attention of one layer only. Point at a mark for its reason.")
LEVEL_NOTE = ("Level: passes that the two took in turns do not show that one is faster. Ahead on a problem: they do. Of files without "
              f"such passes: the intervals overlap on most problems, or, of single runs, the lead is below {verdict.LEVEL:.2f}x.")


@dataclass
class Table:
    """Of all cases: `order` is that in which it opens."""

    note: str
    columns: list
    rows: list
    order: list


def page_of(runs, frame):
    figures = {section.KEY: figures_of(section, runs, frame) for section in SECTIONS}
    words = {section.KEY: words_of(section, frame) for section in SECTIONS}
    rows = cases.rows_of(runs, frame)
    table = Table(CASES_NOTE, cases.COLUMNS, rows, cases.opening_order(rows))
    return assemble(title_of(runs), head_html(runs), answer_html(runs, frame), SECTIONS, figures, words,
                    assign(list(dict.fromkeys(frame["variant"]))), table, several=len(runs) > 1)


def page_of_gate(report):
    figures = report.figures()
    names = [name for found in figures.values() for figure in found for name in variants_of(figure)]
    return assemble(f"Regression gate on {report.candidate['cpu']}", gate.head_html(report), "", [gate.RATIOS, gate.ROUNDS], figures,
                    {}, assign(list(dict.fromkeys(names))), Table(gate.CASES_NOTE, gate.COLUMNS, report.rows, list(range(len(report.rows)))))


def assemble(title, head, answer, sections, figures, words, styles, table, several=False):
    """The whole page, of sections with the figures or the words that each has, and a row per case. `answer` follows the first
    section. With several runs each plot says which it is of; of one the head has said it."""
    drawn = {key: [plotly_of(figure, styles) for figure in found] for key, found in figures.items() if found}
    for figure in (figure for found in drawn.values() for figure in found if not several):
        figure["provenance"] = ""
    there = [section for section in sections if drawn.get(section.KEY) or words.get(section.KEY)]
    blocks = [(section.KEY, section.QUESTION, section_html(section, drawn.get(section.KEY, []), words.get(section.KEY, "")))
              for section in there]
    if answer:
        blocks.insert(bool(there and there[0] is sections[0]), ("answer", ANSWER, answer))
    missing = [section.MISSING for section in sections if section not in there]
    parts = {
        "title": html.escape(title),
        "style": (HERE / "page.css").read_text(encoding="utf-8"),
        "head": head,
        "contents": "".join(f'<a href="#{key}">{html.escape(question)}</a>' for key, question, _ in blocks),
        "sections": "\n".join(f'<section id="{key}"><h2>{html.escape(question)}</h2>{body}</section>' for key, question, body in blocks),
        "cases_note": html.escape(table.note),
        "statuses": "".join(f"<option>{html.escape(status)}</option>" for status in sorted({row["status"] for row in table.rows})),
        "missing": f'<p class="missing">Not measured here: {html.escape("; ".join(missing))}.</p>' if missing else "",
        "figures": as_script(drawn),
        "cases": as_script({"columns": table.columns, "rows": table.rows, "order": table.order,
                            "colours": {name: style.colour for name, style in styles.items()}}),
        "plotly": get_plotlyjs().replace("</script", "<\\/script"),
        "script": (HERE / "page.js").read_text(encoding="utf-8"),
    }
    page = (HERE / "page.html").read_text(encoding="utf-8")
    # Split once, so that nothing that is put in is taken for a slot.
    pieces = re.split(r"\{\{(\w+)\}\}", page)
    return "".join(parts[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def title_of(runs):
    machines = list(dict.fromkeys(run.fact("cpu") for run in runs))
    return f"Attention on {' and '.join(machines)}"


def as_script(value):
    # Inside a script element only its end tag and comments have a meaning.
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")


def section_html(section, figures, words):
    body = []
    if figures:
        body.append(f"<p>{html.escape(section.HOW)}</p>")
    if words:
        body.append(f"<p>{html.escape(words)}</p>")
    if len(figures) > 1:
        options = "".join(f'<option value="{index}">{html.escape(figure["choice"])}</option>'
                          for index, figure in enumerate(figures))
        body.append(f'<label class="choice">Show <select data-section="{section.KEY}">{options}</select> '
                    f"<span>one of {len(figures)}</span></label>")
    if figures:
        body.append(f'<div class="scroll"><div class="plot" data-section="{section.KEY}"></div></div><div class="passes"></div>')
    return "".join(body)


def head_html(runs):
    """What every figure below is from, and what keeps a reader from trusting it."""
    return "\n".join(facts_html(run) + problems_html(run) + marks_html(run) for run in runs)


def answer_html(runs, frame):
    labels = labels_of(runs)
    judged = verdict.verdicts(frame) if len(frame) else []
    parts = []
    for index, label in enumerate(labels):
        if len(runs) > 1:
            parts.append(f"<h3>{html.escape(label)}</h3>")
        own = [v for v in judged if v.run == index]
        parts.append(verdict_table(own) if own else '<p class="missing">This run has no case that was measured and correct.</p>')
    if any(v.level for v in judged):
        parts.append(f'<p class="small">{html.escape(LEVEL_NOTE)}</p>')
    return "\n".join(parts)


def verdict_table(verdicts):
    head = "".join(f"<th>{html.escape(text)}</th>" for text in verdict.HEADER)
    rows = ""
    for judged in verdicts:
        texts = [html.escape(text) for text in verdict.cells(judged)]
        texts[2] = f"<strong>{texts[2]}</strong>"
        rows += "<tr>" + "".join(f'<td data-label="{html.escape(label)}">{text}</td>'
                                 for label, text in zip(verdict.HEADER, texts)) + "</tr>"
    return f'<table class="verdict"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def problems_html(run):
    """What keeps a reader from trusting the run: failures in full view, skipped cases by number."""
    failed = [case for case in run.cases if case.status == "failed"]
    skipped = sum(case.status == "skipped" for case in run.cases)
    faults = [case for case in run.measured() if "ruler_fault" in case.label]
    text = ""
    if failed:
        items = "".join(f"<li><code>{html.escape(case.full_name)}</code>: {html.escape(case.reason)}</li>"
                        for case in failed[:SHOWN_FAILURES])
        more = f"<li>and {len(failed) - SHOWN_FAILURES} more</li>" if len(failed) > SHOWN_FAILURES else ""
        text += f'<div class="failed"><b>{len(failed)} failed</b><ul>{items}{more}</ul></div>'
    if faults:
        text += (f'<div class="failed">Rows above 100 % of their ceiling (ruler_fault, marked !): {len(faults)}. '
                 "The ruler was disturbed; repeat the run on a quieter machine.</div>")
    if skipped:
        text += f'<p class="small">{skipped} cases were skipped; the table at the end has the reasons.</p>'
    return text


def marks_html(run):
    """How many rows say something against themselves, and why; that something else took the machine meanwhile."""
    found = marks.summaries(run)
    text = ""
    if found:
        items = "".join(f"<li>{html.escape(summary.text())}, such as <code>{html.escape(summary.example)}</code>"
                        f"{html.escape(summary.reason and f': {summary.reason}')}</li>" for summary in found)
        counts = ", ".join(f"{marks.word(summary.mark)} {summary.rows}" for summary in found)
        text += (f'<details class="marked"><summary><b>{html.escape(marks.heading(run))}</b>: {html.escape(counts)}</summary>'
                 f"<ul>{items}</ul></details>")
    if line := disturbed.line(run):
        text += f'<div class="marked">{html.escape(line)}</div>'
    return text


def facts_html(run):
    facts = [("machine", run.machine()), ("revision", run.fact("revision")), ("build", run.build()),
             ("libraries", run.fact("libraries")), ("plugins", run.context.get("plugins")), ("seed", run.fact("seed")),
             ("recorded", run.fact("date")), ("caches", run.fact("caches")),
             ("hypervisor, SMT, governor, THP",
              ", ".join(run.fact(key) for key in ("hypervisor", "smt", "governor", "thp")))]
    facts += ceilings.texts(run.context)
    facts += [("files", ", ".join(writable(str(path)) for path in run.paths))]
    rows = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(str(value))}</dd>" for key, value in facts if value)
    return f'<details><summary>{html.escape(run.provenance())}</summary><dl>{rows}</dl></details>'
