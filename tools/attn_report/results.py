"""Result files: read, refused with a reason, and brought into the shape that everything else works on."""

import json
import math
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from . import interval
from .errors import BadInput
from .problem import RowName, parse_row_name

SCHEMA = "1"
TO_MICROSECONDS = {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6}
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
    gflops: float = math.nan  # median
    low: float = math.nan  # of its interval; NaN without repetitions
    high: float = math.nan
    time_us: float = math.nan
    pct_peak: float = math.nan
    pct_bandwidth: float = math.nan
    bandwidth: float = math.nan  # bytes/s
    bytes: float = math.nan
    error: float = math.nan
    tolerance: float = math.nan
    interval_kind: str = ""
    conversion_s: float = 0.0  # a library's own preparation of the data, outside the timed calls
    part_s: dict[str, float] = field(default_factory=dict)  # of a layer: seconds of a call in each of its parts


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
        except ValueError:
            return 0.0

    def measured(self):
        return [case for case in self.cases if case.status == "ok"]

    def provenance(self):
        """Where every figure of this run is from; on every plot."""
        counts = sorted({case.repetitions for case in self.measured()})
        repetitions = "-".join(str(count) for count in {counts[0]: 0, counts[-1]: 0}) if counts else "no"
        plural = "" if counts == [1] else "s"
        return (f"{self.machine()}, revision {self.fact('revision')}, {self.build()}, seed {self.fact('seed')}, "
                f"{len(self.measured())} cases, {repetitions} repetition{plural}, {self.fact('date')[:10]}")

    def fma_peak(self, isa, threads):
        """GFLOP/s, or None where the file has no such ceiling."""
        return leading_number(self.context.get(f"fma_peak_{isa}_threads_{threads}"))

    def amx_peak(self, isa, threads):
        return leading_number(self.context.get(f"amx_bf16_peak_{isa}_threads_{threads}"))

    def read_bandwidths(self, isa, threads):
        """GB/s by level: {"L1": 510.9, ..., "memory": 45.4}; a level that was not measured is left out."""
        text = str(self.context.get(f"read_bandwidth_{isa}_threads_{threads}") or "")
        return {name: float(rate) for name, rate in re.findall(r"(\w+) \([^)]*\): ([0-9.]+) GB/s", text)}

    def cache_bytes(self):
        """{"L1": 49152, ...}; older files write 48K for 48 KiB."""
        units = {"K": 2**10, "M": 2**20, "G": 2**30}
        found = re.findall(r"(L\d) ([0-9.]+) ?([KMG])", self.fact("caches"))
        return {level: float(size) * units[unit] for level, size, unit in found}


def leading_number(text):
    match = re.match(r"[0-9.]+", str(text or ""))
    return float(match[0]) if match else None


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
        run.cases = measured_cases(document["benchmarks"]) + skipped_cases(run.context.get("skipped"))
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    return run


def parse_json(path):
    def no_number(word):
        raise ValueError(f"{word} is not valid JSON")

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return json.loads(text, parse_constant=no_number)
    except json.JSONDecodeError as error:
        if text.strip() and error.pos >= len(text.rstrip()) - 1:
            raise BadInput(f"{path}: ends in the middle, in line {error.lineno}: a truncated copy? attnbench leaves "
                           "its files whole after every row") from error
        raise BadInput(f"{path}: not JSON: {error}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not JSON: {error}") from error


def measured_cases(rows):
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise BadInput(f"row {index + 1} has no name")
    samples = {}  # rows of each case, in the order of the sweep
    for row in sorted(rows, key=place_in_sweep):
        threads = row.get("threads", 1)
        name = parse_row_name(row["name"], threads if isinstance(threads, int) else 1)
        samples.setdefault(name, []).append(row)
    return [sum_up(name, group) for name, group in samples.items()]


def place_in_sweep(row):
    """Interleaved runs write their cases in random order; this index tells in which they were asked for."""
    index = row.get("family_index")
    return index if isinstance(index, int) else 0


def sum_up(name, rows):
    case = Case(name, re.sub(r"(/(real_time|manual_time|process_time|repeats:\d+))+(_\w+)?$", "", rows[0]["name"]))
    failed = [row for row in rows if row.get("error_occurred") or row.get("skipped")]
    if failed:
        case.status = "failed"
        case.reason = str(failed[0].get("error_message") or failed[0].get("skip_message") or "failed")
        return case
    single = [row for row in rows if "aggregate_name" not in row]
    medians = [row for row in rows if row.get("aggregate_name") == "median"] or rows[:1]
    # Without the single repetitions (--benchmark_report_aggregates_only) the file's own median has to do.
    source = single or medians
    case.repetitions = len(single) or count(rows[0])
    case.label = next((str(row["label"]) for row in rows if row.get("label")), "")
    rates = counters(source, "flops")
    if not rates:
        case.status, case.reason = "failed", "the row has no counter flops"
        return case
    case.gflops = interval.median(rates) / 1e9
    if single and len(rates) > 1:
        low, high, case.interval_kind = interval.of_median(rates)
        case.low, case.high = low / 1e9, high / 1e9
    case.time_us = interval.median([time_us(row) for row in source])
    for field_name, key in (("pct_peak", "pct_peak"), ("pct_bandwidth", "pct_bandwidth"), ("bandwidth", "bandwidth"),
                            ("bytes", "bytes"), ("tolerance", "tolerance")):
        setattr(case, field_name, interval.median(counters(source, key)))
    case.conversion_s = sum(max(counters(source, key), default=0.0) for key in ("prepare_seconds", "finish_seconds"))
    case.part_s = {part: interval.median(seconds) for part in ("projections", "core", "concat")
                   if (seconds := counters(source, f"{part}_seconds"))}
    case.error = max(counters(source, "max_scaled_err"), default=math.nan)
    return case


def count(row):
    repetitions = row.get("repetitions", 1)
    return repetitions if isinstance(repetitions, int) and repetitions > 0 else 1


def counters(rows, key):
    for row in rows:
        if key in row and (isinstance(row[key], bool) or not isinstance(row[key], (int, float))):
            raise BadInput(f"{key} is no number in row {row['name']}")
    return [float(row[key]) for row in rows if key in row]


def time_us(row):
    time, unit = row.get("real_time", math.nan), row.get("time_unit", "ns")
    if isinstance(time, bool) or not isinstance(time, (int, float)) or unit not in TO_MICROSECONDS:
        raise BadInput(f"real_time is no time in row {row['name']}")
    return time * TO_MICROSECONDS[unit]


def skipped_cases(text):
    """One per line: `name: reason`."""
    cases = []
    for line in str(text or "").splitlines():
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
