"""Result files: read, refused with a reason, and brought into the shape that everything else works on."""

import math
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from . import ceilings, interval, shape
from .errors import BadInput
from .json_file import parse_json
from .problem import RowName, parse_row_name

SCHEMA = "1"
# The unit that every ISA has, of whose peak shares are, and what the others are called in ceilings (kPeakUnits of
# bench/machine/peak_unit.hpp).
FMA = "f32 FMA"
PEAKS = {FMA: "f32_fma", "bf16 dot": "bf16_dot", "bf16 tiles": "bf16_amx"}
# Of the machine, the build and the data: files in which all of these agree can be one run.
IDENTITY = ["cpu", "cpu_model", "stepping", "cores", "revision", "compiler", "flags", "seed"]


@dataclass
class Case:
    """One case of a run, its repetitions summed up."""

    name: RowName
    full_name: str  # as in the file, without what Google Benchmark appended
    status: str = "ok"  # ok, failed, skipped
    reason: str = ""  # of a case that failed or was skipped
    label: str = ""
    repetitions: int = 0
    gflops: float = math.nan  # this and what follows: of the repetition of median time
    low: float = math.nan  # of its interval; NaN without repetitions
    high: float = math.nan
    time_us: float = math.nan
    pct_peak: float = math.nan  # of the peak of peak_unit
    pct_fma_peak: float = math.nan  # of that of the f32 FMA; NaN where the file is of before there were two
    peak_unit: str = FMA
    pct_bandwidth: float = math.nan
    binds: str = ""  # by which a call takes the most time at least (bench/results/roofs.hpp); empty where the file does not tell
    pct_roof: float = math.nan  # of the time taken
    bandwidth: float = math.nan  # bytes/s
    bytes: float = math.nan
    error: float = math.nan
    tolerance: float = math.nan
    quantisation: float = math.nan  # error against fp64 on what was quantised; NaN where nothing was
    interval_kind: str = ""
    conversion_s: float = 0.0  # a library's own preparation of the data, outside the timed calls
    part_s: dict[str, float] = field(default_factory=dict)  # of a layer: seconds of a call in each of its parts
    marks: dict[str, str] = field(default_factory=dict)  # name: reason
    standing: str = ""  # fastest, level, behind: of its problem and team, by paired passes; empty where not measured
    libraries: str = ""  # which BLAS and OpenMP a library was bound to
    model: str = ""  # whose shape the problem is
    passes: list[float] = field(default_factory=list)  # GFLOP/s of each repetition, in the order of time


@dataclass
class Run:
    paths: list[Path]
    context: dict
    cases: list[Case] = field(default_factory=list)  # also those that failed or were skipped

    def fact(self, key):
        return str(self.context.get(key) or "unknown")

    def identity(self):
        return tuple(self.fact(key) for key in IDENTITY)

    def machine(self):
        model, stepping, cores = (self.fact(key) for key in ("cpu_model", "stepping", "cores"))
        return f"{self.fact('cpu')} (model {model}, stepping {stepping}, {cores} cores)"

    def build(self):
        return " ".join(f"{self.fact('compiler')}, {self.fact('flags')}".split())

    def seconds(self):
        """When it was recorded; the oldest of all where the file does not tell."""
        try:
            return datetime.fromisoformat(self.fact("date")).timestamp()
        except (ValueError, OverflowError, OSError):  # no date, or none that a clock can show
            return 0.0

    def measured(self):
        return [case for case in self.cases if case.status == "ok"]

    def provenance(self):
        """Where every figure of this run is from; on every plot."""
        counts = sorted({case.repetitions for case in self.measured()})
        repetitions = "-".join(str(count) for count in {counts[0]: 0, counts[-1]: 0}) if counts else "no"
        plural = "" if counts == [1] else "s"
        cases = len(self.measured())
        return (f"{self.machine()}, revision {self.fact('revision')}, {self.build()}, seed {self.fact('seed')}, "
                f"{cases} case{'' if cases == 1 else 's'}, {repetitions} repetition{plural}, {self.fact('date')[:10]}")

    def peak(self, isa, threads, unit=FMA):
        """GFLOP/s of a unit, or None where the file has no such ceiling."""
        return ceilings.peak(self.context, PEAKS[unit], isa, threads)

    def read_bandwidths(self, isa, threads):
        return ceilings.reads(self.context, isa, threads)

    def cache_bytes(self):
        return ceilings.cache_bytes(self.fact("caches"))


def unit_of_older(name):
    """What the share of a row was of before rows said so."""
    own = {"amx": "bf16 tiles", "avx512bf16": "bf16 dot"}
    return own.get(name.isa, FMA) if "dtype:bf16" in name.problem.split("/") else FMA


def peak_text(unit):
    return "FMA peak" if unit == FMA else f"peak of {unit}"


def name_of_peak(rows):
    """What shares of these rows (a frame) are of, decode apart."""
    units = set(rows["peak_unit"])
    return peak_text(units.pop()) if len(units) == 1 else "peak of their units"


def load(path):
    """One file as a run of its own."""
    document = parse_json(Path(path))
    if not isinstance(document, dict) or not isinstance(document.get("context"), dict) \
            or not isinstance(document.get("benchmarks"), list):
        raise BadInput(f"{path}: not a result file of attnbench: it lacks 'context' or 'benchmarks'")
    schema = document["context"].get("attnbench_schema")
    if schema is None:
        raise BadInput(f"{path}: not a result file of attnbench: its context has no attnbench_schema (another "
                       "Google Benchmark program?)")
    if str(schema) != SCHEMA:
        raise BadInput(f"{path}: written in schema {schema}; this tool reads schema {SCHEMA}, so take the "
                       "tools/report of the revision that wrote the file")
    run = Run([Path(path)], document["context"])
    try:
        shape.check_context(run.context)
        ceilings.check(run.context)
        run.cases = measured_cases(shape.rows_of(document["benchmarks"])) + skipped_cases(run.context.get("skipped", ""))
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    return run


def measured_cases(rows):
    samples = {}  # rows of each case, in the order of the sweep: interleaved runs write their cases in random order
    for row in sorted(rows, key=lambda row: row.family_index):
        samples.setdefault(parse_row_name(row.name, row.threads), []).append(row)
    return [sum_up(name, group) for name, group in samples.items()]


def sum_up(name, rows):
    case = Case(name, re.sub(r"(/(real_time|manual_time|process_time|repeats:[0-9]+))+(_\w+)?$", "", rows[0].name))
    case.label, case.standing, case.libraries, case.model = (
        next((text for row in rows if (text := getattr(row, key))), "") for key in ("label", "standing", "libraries", "model"))
    failed = next((row for row in rows if row.error_occurred or row.skipped), None)
    if failed:
        return refused(case, failed.error_message or failed.skip_message or "failed")
    single = [row for row in rows if not row.aggregate_name]
    medians = [row for row in rows if row.aggregate_name == "median"] or rows[:1]
    # Without the single repetitions (--benchmark_report_aggregates_only) the file's own median has to do.
    source = single or medians
    told = [row for row in source if not math.isnan(row.flops)]
    if not told:
        return refused(case, "the row has no counter flops")
    idle = next((row.flops for row in told if row.flops <= 0), None)
    if idle is not None:
        return refused(case, f"its rate, flops, is {idle:g}: nothing was computed, or not in a time that can be")
    case.repetitions = len(single) or max(1, rows[0].repetitions)
    if single and len(told) > 1:
        low, high, case.interval_kind = interval.of_median([row.flops for row in told])
        case.low, case.high = low / 1e9, high / 1e9
        case.passes = [row.flops / 1e9 for row in sorted(told, key=lambda row: row.repetition_index)]
    take_figures(case, interval.middle(told, lambda row: (0.0 if math.isnan(row.real_time) else row.time_us(), -row.flops)))
    case.conversion_s = max(row.prepare_seconds for row in source) + max(row.finish_seconds for row in source)
    case.error = max((row.max_scaled_err for row in source if not math.isnan(row.max_scaled_err)), default=math.nan)
    for row in rows:
        case.marks = {**row.marks, **case.marks}
        if row.interrupted:
            case.marks.setdefault("interrupted", "fewer passes than asked for")
    return case


def refused(case, reason):
    case.status, case.reason = "failed", reason
    return case


def take_figures(case, row):
    """All of one repetition: a rate and the share of the peak measured beside it belong together."""
    case.gflops, case.time_us = row.flops / 1e9, row.time_us()
    case.peak_unit, case.pct_fma_peak = row.peak_unit or unit_of_older(case.name), row.pct_fma_peak
    case.pct_peak, case.pct_bandwidth, case.bandwidth = row.pct_peak, row.pct_bandwidth, row.bandwidth
    case.binds, case.pct_roof = row.binds, row.pct_roof
    case.bytes, case.tolerance, case.quantisation = row.bytes, row.tolerance, row.quantisation_err
    parts = {part: getattr(row, f"{part}_seconds") for part in ("projections", "core", "concat")}
    case.part_s = {part: seconds for part, seconds in parts.items() if not math.isnan(seconds)}


def skipped_cases(text):
    """One per line: `name: reason`."""
    cases = []
    for line in text.splitlines():
        # Names hold colons, but none that a space follows.
        name, _, reason = line.partition(": ")
        if name:
            cases.append(Case(parse_row_name(name), name, "skipped", reason or "no reason given"))
    return cases


def load_all(paths):
    """Files as runs, the oldest first. Files of one machine, build and seed that share no case are one run."""
    unique = list({Path(path).resolve(): Path(path) for path in paths}.values())
    runs = []
    for loaded in sorted(map(load, unique), key=Run.seconds):
        names = {case.name for case in loaded.cases}
        partner = next((run for run in runs if run.identity() == loaded.identity()
                        and not names & {case.name for case in run.cases}), None)
        if partner is None:
            runs.append(loaded)
        else:
            partner.paths += loaded.paths
            partner.cases += loaded.cases
            partner.context = {**partner.context, **loaded.context}
    return runs
