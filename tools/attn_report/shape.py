"""The shape of a result file, declared once: what each field that the report reads must be. Other fields may be anything."""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .errors import BadInput

# Figures of machines lie far within; products and ratios of a few of them still do within what a double holds.
LEAST, MOST = 1e-30, 1e18
LONGEST_QUOTE = 60
# Spreads are no measurements of a case: the report has its own, from the repetitions.
AGGREGATES_READ = ("median", "mean")


def without_dust(value):
    return value if abs(value) >= LEAST or math.isnan(value) else 0.0


Finite = Annotated[float, Field(ge=-MOST, le=MOST, allow_inf_nan=False), AfterValidator(without_dust)]
Figure = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False), AfterValidator(without_dust)]
Count = Annotated[int, Field(ge=0, le=10**9)]
Standing = Literal["fastest", "level", "behind", ""]
PeakUnit = Literal["f32 FMA", "bf16 dot", "bf16 tiles", ""]  # kPeakUnits of bench/machine/peak_unit.hpp; the last: an older file


class Strict(BaseModel):
    """A number is no text and no truth value, and null is not a way to leave a field out."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Row(Strict):
    name: Annotated[str, Field(min_length=1)]
    aggregate_name: str = ""
    family_index: Count = 0
    repetitions: Count = 1
    repetition_index: Count = 0
    threads: Annotated[int, Field(ge=1, le=10**6)] = 1
    label: str = ""
    error_occurred: bool = False
    error_message: str = ""
    skipped: bool = False
    skip_message: str = ""
    interrupted: bool = False
    real_time: Figure = math.nan
    time_unit: Literal["ns", "us", "ms", "s"] = "ns"
    flops: Finite = math.nan  # a rate; that it is above 0 is asked of each case, since a row can have nothing to compute
    pct_peak: Figure = math.nan
    pct_fma_peak: Figure = math.nan
    peak_unit: PeakUnit = ""
    pct_bandwidth: Figure = math.nan
    binds: str = ""
    pct_roof: Figure = math.nan
    bandwidth: Figure = math.nan
    bytes: Figure = math.nan
    max_scaled_err: Figure = math.nan
    tolerance: Figure = math.nan
    quantisation_err: Figure = math.nan
    prepare_seconds: Figure = 0.0
    finish_seconds: Figure = 0.0
    projections_seconds: Figure = math.nan
    core_seconds: Figure = math.nan
    concat_seconds: Figure = math.nan
    marks: dict[str, str] = {}
    standing: Standing = ""
    libraries: str = ""
    model: str = ""

    def time_us(self):
        return self.real_time * {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6}[self.time_unit]


class Context(Strict):
    """The facts that are more to the report than text to show."""

    skipped: str = ""
    plugin_arguments: str = ""
    attnbench_schema: Any = None


def rows_of(rows):
    """The rows that are read, each as it must be."""
    return [validated(Row, row, lambda field, row=row, place=place: where(row, place, field))
            for place, row in enumerate(rows, 1) if not is_spread(row)]


def is_spread(row):
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        return False
    kind = row.get("aggregate_name", "")
    return isinstance(kind, str) and kind not in ("", *AGGREGATES_READ)


def where(row, place, field):
    name = row.get("name") if isinstance(row, dict) else None
    return f"row {place} ({name}): {field}" if isinstance(name, str) and name else f"row {place}: {field}"


def check_context(context):
    validated(Context, context, lambda field: f"context: {field}")


def validated(model, value, place):
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "it"
        if first["type"] == "missing":
            raise BadInput(f"{place(field)} is missing") from error
        wanted = first["msg"].removeprefix("Input should ").replace(f"{MOST:.0f}", f"{MOST:g}")
        raise BadInput(f"{place(field)} is {quote(first['input'])}; it should {wanted}") from error


def quote(value):
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE - 3] + "..."
