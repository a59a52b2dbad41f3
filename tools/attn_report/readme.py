"""The plot and the tables of README.md, variants/README.md and variants/external/README.md, from recorded runs."""

import difflib
import os
import sys

from . import readme_machines, readme_peers
from .environment import ROOT
from .errors import BadInput, EnvironmentFault
from .frame import frame_of
from .ladder import rungs
from .markdown import table
from .marks import MISTRUSTED
from .plots import figures_of, seqlen
from .problem import ISAS
from .results import load
from .standing import are_level, front
from .to_matplotlib import bytes_of

PROBLEM = "h:12/q:1024/d:64"  # of the ladder
BEGIN = "<!-- written by tools/report --readme from recorded runs; do not edit -->"
END = "<!-- end of what tools/report --readme writes -->"
README, LADDER, PEERS = (ROOT / name for name in ("README.md", "variants/README.md", "variants/external/README.md"))
BY_COMMAND = "tools/report --readme"


class Recorded:
    """A recorded run's cases of one thread by (ISA, problem, variant). What was checked against nothing is not among them."""

    def __init__(self, run):
        self.run, self.path = run, run.paths[0]
        self.trusted = [case for case in run.measured() if MISTRUSTED not in case.marks]
        single = [case for case in self.trusted if case.name.kind == "attention" and case.name.threads == 1]
        self.cases = {(case.name.isa, case.name.problem, case.name.variant): case for case in single}
        self.problems = list(dict.fromkeys((isa, problem) for isa, problem, _ in self.cases))

    def rungs(self, isa, problem, ladder):
        return [rung for rung in ladder if (isa, problem, rung) in self.cases]

    def of_problem(self, problem):
        """Every case of a problem: any variant, any ISA."""
        return [case for case in self.cases.values() if case.name.problem == problem]

    def problems_on(self, isa):
        return [problem for own, problem in self.problems if own == isa]

    def isa_of(self, problem, ladder):
        """The ISA with the most rungs at this problem, of several the highest; None unless naive is among them."""
        known = [isa for isa in ISAS if (isa, problem, "naive") in self.cases]
        return max(known, key=lambda isa: (len(self.rungs(isa, problem, ladder)), ISAS.index(isa)), default=None)

    def source(self, folder):
        """Where figures are from, for a text in this folder."""
        link = os.path.relpath(self.path, folder)
        return f"{self.run.machine()}, revision `{self.run.fact('revision')}`, in [this recorded run]({link})"


def shown(path):
    """A path as a person would type it at the root."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def recorded_runs():
    """The whole runs of all machines; one that was stopped is no record."""
    runs = []
    for path in sorted((ROOT / "results").glob("*/*.json")):
        try:
            recorded = Recorded(load(path))
        except BadInput:
            continue  # results/ holds other files too
        if not any("interrupted" in case.marks for case in recorded.run.measured()):
            runs.append(recorded)
    return runs


def run_of_tables(runs, ladder):
    """The newest, by its own date, that has what the tables need: every rung at the ladder's problem, and other problems too.
    While none has it all, rungs count before problems, and both before the date."""
    candidates = []
    for recorded in runs:
        isa = recorded.isa_of(PROBLEM, ladder)
        count = len(recorded.rungs(isa, PROBLEM, ladder)) if isa else 0
        if count > 1:
            candidates.append((count, len(recorded.problems_on(isa)) > 1, recorded.run.seconds(), recorded))
    if not candidates:
        raise BadInput(f"no file in results/ has rows of naive and another rung at {PROBLEM}; "
                       "tools/bench --record makes one")
    return max(candidates, key=lambda candidate: candidate[:3])[3]


def plot_of(runs, ladder):
    """(run, figure): the fullest curve over length that has naive, of several the newest."""
    candidates = []
    for recorded in runs:
        for figure in figures_of(seqlen, [recorded.run], frame_of([recorded.run], ladder)):
            series = {item.variant: item for item in figure.panels[0].content if hasattr(item, "variant")}
            lengths = len({x for item in series.values() for x in item.x})
            if "naive" in series and len(series) > 1 and lengths >= seqlen.LEAST_LENGTHS:
                candidates.append((len(series), lengths, recorded.run.seconds(), recorded, figure))
                break
    if not candidates:
        raise BadInput(f"no file in results/ has naive and another variant at {seqlen.LEAST_LENGTHS} lengths; "
                       "tools/bench --record --sweep seqlen makes one")
    return max(candidates, key=lambda candidate: candidate[:3])[3:]


def ladder_table(recorded, isa, ladder):
    naive = recorded.cases[isa, PROBLEM, "naive"].gflops
    rows, before = [], None  # the last rung that was measured
    for rung in ladder:
        case = recorded.cases.get((isa, PROBLEM, rung))
        if case is None:
            rows.append([rung] + ["-"] * 5)
            continue
        step = step_text(case, before) if before else "-"
        rows.append([rung, f"{case.gflops:.1f}", number(case.pct_peak, ".1f", " %"), f"{case.gflops / naive:.1f}x", step,
                     number(case.error, ".1e")])
        before = case
    header = ["rung", "GFLOP/s", "of the FMA peak", "over naive", "over the rung before", "scaled error"]
    return f"`{PROBLEM}`, {isa}, one thread; {recorded.source(LADDER.parent)}:\n\n" + table(header, rows)


def step_text(case, before):
    times = f"{case.gflops / before.gflops:.1f}x"
    return f"level ({times})" if are_level(case.standing, before.standing) else times


def number(value, style, unit=""):
    return "-" if value != value else f"{value:{style}}{unit}"


def overview(recorded, isa, ladder):
    """Every problem of the run that has this ISA: a row per problem, a column per rung, then per other variant that is the
    fastest of some problem, or level with it."""
    own = recorded.problems_on(isa)
    fronts = {problem: front(recorded.of_problem(problem)) for problem in own}
    leading = {(case.name.isa, case.name.variant) for cases in fronts.values() for case in cases}
    columns = [(isa, rung) for rung in ladder if any((isa, problem, rung) in recorded.cases for problem in own)]
    columns += sorted(leading - set(columns), key=lambda column: (column[0] != isa, column[1], column[0]))
    rows = []
    for problem in own:
        cases = [recorded.cases.get((of_isa, problem, variant)) for of_isa, variant in columns]
        rows.append([f"`{problem}`"] + [overview_cell(case, case in fronts[problem]) for case in cases])
    names = [variant if of_isa == isa else f"{variant}, {of_isa}" for of_isa, variant in columns]
    everyone = len({(case.name.isa, case.name.variant) for problem in own for case in recorded.of_problem(problem)})
    bold = f"bold: the fastest of all {everyone} that the run measured" + (
        ", and who is level with it" if any(case.standing for case in recorded.cases.values()) else "")
    return f"{isa}, one thread, {bold}; {recorded.source(README.parent)}:\n\n" + table(["problem"] + names, rows)


def overview_cell(case, leads):
    if case is None:
        return "-"
    share = "" if case.pct_peak != case.pct_peak else f", {case.pct_peak:.0f} %"
    text = f"{case.gflops:.1f}{share}"
    return f"**{text}**" if leads else text


def between_markers(path, text, generated):
    """The text, as bytes, with what stands between its marker lines replaced."""
    begin, end = text.find(BEGIN + "\n"), text.find(END)
    if begin < 0 or end < begin or text.count(BEGIN) != 1 or text.count(END) != 1:
        raise BadInput(f"{shown(path)}: needs the lines '{BEGIN}' and '{END}', each once, in this order")
    return (text[:begin] + BEGIN + "\n" + generated + "\n" + text[end:]).encode()


def read(path):
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {shown(path)}: {error}") from error


def wanted_files():
    """{path: bytes} of everything that is generated."""
    ladder = rungs(read(LADDER))
    runs = recorded_runs()
    recorded = run_of_tables(runs, ladder)
    isa = recorded.isa_of(PROBLEM, ladder)
    drawn, figure = plot_of(runs, ladder)
    picture = drawn.path.with_suffix(".svg")
    caption = f"{figure.title}; {drawn.source(ROOT)}:"
    text = f"{caption}\n\n![{figure.title}]({shown(picture)})\n\n{overview(recorded, isa, ladder)}"
    machines = readme_machines.of_each_machine(runs, lambda own: run_of_tables(own, ladder))
    generated = {README: text, LADDER: "\n\n".join(
        ladder_table(own, own.isa_of(PROBLEM, ladder), ladder) for own in machines)}
    if peers := readme_peers.newest(runs):
        generated[PEERS] = readme_peers.peers_table(peers, PEERS.parent)
    return {path: between_markers(path, read(path), text) for path, text in generated.items()} | {
        picture: bytes_of(figure, "svg", f"{BY_COMMAND}, from {drawn.path.name}. {figure.provenance}")}


def strays(wanted):
    """Pictures that this command made of runs that are no longer shown."""
    made = [path for path in sorted((ROOT / "results").glob("*/*.svg")) if BY_COMMAND in read(path)]
    return [path for path in made if path not in wanted]


def regenerate(write):
    wanted = wanted_files()
    for path, content in wanted.items():
        if not path.is_file() or path.read_bytes() != content:
            write(path, content)
            print(f"tools/report: wrote {shown(path)}")
    for path in strays(wanted):
        try:
            path.unlink()
        except OSError as error:
            raise EnvironmentFault(f"cannot remove {shown(path)}: {error.strerror}") from error
        print(f"tools/report: removed {shown(path)}")
    return 0


def check():
    wanted = wanted_files()
    differs = False
    for path, content in wanted.items():
        before = path.read_bytes() if path.is_file() else b""
        if before == content:
            continue
        differs = True
        if path.suffix == ".svg":
            print(f"{shown(path)}: {'is another picture than' if before else 'is missing; wanted is'} that of the run")
        else:
            sys.stdout.writelines(difflib.unified_diff(
                before.decode().splitlines(True), content.decode().splitlines(True), f"{shown(path)}",
                f"{shown(path)} as {BY_COMMAND} writes it"))
    for path in strays(wanted):
        differs = True
        print(f"{shown(path)}: a picture that nothing shows")
    if differs:
        print(f"tools/report: the files are not those of the recorded runs; {BY_COMMAND} writes them", file=sys.stderr)
    return 1 if differs else 0
