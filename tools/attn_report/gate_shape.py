"""The shape of gate.json as bench/gate/json_output.cpp writes it, as far as its page reads it."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from .shape import Figure, Strict

WORST_FIRST = ["WRONG", "REGRESSED", "INCONCLUSIVE", "PROVEN"]
Verdict = Literal["WRONG", "REGRESSED", "INCONCLUSIVE", "PROVEN"]
Ratio = Annotated[Figure, Field(gt=0, le=1e9)]


class Facts(Strict):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str]
    cpu: str
    cores: str
    revision: str
    compiler: str
    flags: str


class Round(Strict):
    phase: Literal["screen", "confirm"]
    ratio: Ratio | None


class Case(Strict):
    name: Annotated[str, Field(min_length=1)]
    verdict: Verdict
    failure: str = ""
    ratio: Ratio | None = None
    low: Ratio | None = None
    high: Ratio | None = None
    detectable: Ratio | None = None
    min_effect: Ratio | None = None
    confirmed: bool
    same_code: bool
    rounds: list[Round]


class Whole(Strict):
    """Of the suite, or of the base against a copy of itself."""

    verdict: str
    ratio: Ratio | None = None
    min_effect: Ratio | None = None
    rounds: list[Ratio | None]


class Criteria(Strict):
    alpha: Figure
    limit: Ratio
    min_effect: Ratio


class Document(Strict):
    outcome: str
    failure: str
    seconds: Figure
    criteria: Criteria
    base: Facts
    candidate: Facts
    suite: Whole
    null_arm: Whole
    cases: list[Case]
