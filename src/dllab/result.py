"""dllab.result/1: what a grading found. Everything that writes or reads a grade goes through this.

One place makes a result, `dllab.grading.result`; `read_result` reads any. Fields that came later
have defaults, so that older files stay readable. The models are dataclasses, so that what only
names them need not import pydantic, which checks what is read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, cast

from dllab.errors import LabError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

CheckKind = Literal["code", "metric", "format", "resource", "integrity"]
Status = Literal["pass", "partial", "fail", "skip", "error", "review"]
Verdict = Literal["graded", "ungradable", "infra_error", "needs_review"]
Mode = Literal["practice", "official"]
Impl = Literal["mine", "reference"]
EvaluatedOn = Literal["hidden", "public-test"]
Direction = Literal["max", "min"]

SCHEMA: Final = "dllab.result/1"


class _Part:
    """How pydantic reads the parts: what a newer dllab adds is passed over, numbers are finite."""

    __pydantic_config__: ClassVar[Mapping[str, bool | str]] = {
        "extra": "ignore",
        "allow_inf_nan": False,
        "use_attribute_docstrings": True,
    }


@dataclass(frozen=True)
class Submission(_Part):
    """What was graded. A practice grade has no learner; its id is the hash of lab.py."""

    lab: str | None
    """`labNN_slug`; null where an archive did not tell."""
    lab_version: str | None = None
    id: str | None = None
    """The sha256 of the archive."""
    learner: str | None = None
    received_at: datetime | None = None
    late_s: float = 0.0
    """Seconds after it was due, by course.yaml; 0 within the grace."""


@dataclass(frozen=True)
class Grader(_Part):
    """What graded it."""

    version: str = ""
    """Of dllab."""
    device: str | None = None
    """The processor."""
    seeds: tuple[int, ...] = ()
    hidden: str | None = None
    """Which hidden set: the sha256 of its hidden.json."""
    content: str = ""
    """A hash of what decides on points: the lab's checks and lab.yaml, and the grader's code."""
    retrained: bool = False
    """Whether the model that was scored had been trained by the grader."""


@dataclass(frozen=True)
class CheckRow(_Part):
    """What became of a check or criterion: one row of the rubric."""

    id: str
    title: str
    kind: CheckKind
    status: Status
    points: float
    max_points: float
    message: str = ""
    sentence: str = ""
    """What was asked."""
    hint_id: str = ""
    """The task whose hints help."""
    depends_on: tuple[str, ...] = ()
    visibility: Literal["visible", "hidden"] = "visible"
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """For the instructor: what was measured, logged or raised."""
    required: bool = False
    """Whether the lab passes only if this row does."""
    lost: bool = False
    """The code could not be imported, hung, or took too much: nothing of it can be graded."""


@dataclass(frozen=True)
class MetricRow(_Part):
    """What was measured for a criterion, or claimed by the learner's own machine."""

    name: str
    """The criterion's id."""
    value: float
    unit: str = ""
    direction: Direction = "max"
    """Which way is better."""
    source: Literal["measured", "claimed"] = "measured"
    n: int = 0
    """Scored items."""
    ci95: tuple[float, float] | None = None
    """Two-sided 95 % interval."""
    seeds: tuple[int, ...] = ()
    threshold: float | None = None
    floor: float | None = None
    rule: str = ""
    """How the value became points."""
    claimed_value: float | None = None


@dataclass(frozen=True)
class CurveFinding(_Part):
    """What the curve doctor says of an arm; it explains, and gives or takes no points."""

    rule: str
    step_range: tuple[int, int]
    message: str
    arm: str = ""
    change: str = ""
    """What to do about it."""


@dataclass(frozen=True, kw_only=True)
class Result(_Part):
    """One grading of one submission, or of a run of one's own."""

    schema: Literal["dllab.result/1"] = SCHEMA
    submission: Submission
    grader: Grader = field(default_factory=Grader)
    verdict: Verdict
    reason: str = ""
    """Why the verdict is not `graded`."""
    passed: bool = False
    """Graded, every required row passed, and the score reaches the lab's pass_score."""
    score: float = 0.0
    max_score: float = 0.0
    late_penalty: float = 0.0
    """In points, to be taken off the score; by course.yaml."""
    mode: Mode = "practice"
    impl: Impl = "mine"
    run: str | None = None
    backend: str = ""
    """The sandbox."""
    evaluated_on: EvaluatedOn = "public-test"
    graded_at: datetime | None = None
    checks: tuple[CheckRow, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    curve_findings: tuple[CurveFinding, ...] = ()
    manifest_expected: tuple[str, ...] = ()
    """Ids of everything that had to report."""
    manifest_completed: tuple[str, ...] = ()
    nonce: str | None = None
    signature: str | None = None
    """ed25519, base16, over the canonical JSON of all the rest."""

    @property
    def final(self) -> float:
        """Points after the late penalty, never below zero."""
        return max(0.0, self.score - self.late_penalty)

    def metric(self, name: str) -> MetricRow | None:
        """What was measured for a criterion."""
        measured = (one for one in self.metrics if one.source == "measured")
        return next((one for one in measured if one.name == name), None)

    def plain(self) -> dict[str, Any]:
        """As result.json holds it."""
        return dict(_adapter(Result).dump_python(self, mode="json"))


@dataclass(frozen=True)
class Glance(_Part):
    """What a table of many runs shows of a result."""

    @dataclass(frozen=True)
    class Value(_Part):
        """The value of a metric."""

        name: str
        value: float | None = None

    verdict: str = ""
    impl: str = ""
    score: float | None = None
    max_score: float | None = None
    passed: bool | None = None
    metrics: tuple[Value, ...] = ()


def read_result(path: Path) -> Result:
    """The result in a file; a LabError names the file and what is wrong with it."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LabError(f"{path} cannot be read: {error}", "remove it, or grade again") from None
    return parse_result(raw, path)


def parse_result(raw: object, path: Path) -> Result:
    """The result that JSON data holds; `path` is where it came from, for the LabError."""
    from pydantic import ValidationError

    if not is_result(raw):
        raise LabError(f"{path} is not a result ({SCHEMA})", "name a file that dllab grade wrote")
    try:
        return cast("Result", _adapter(Result).validate_python(raw))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise LabError(
            f"{path} is not a whole result: {key}: {first['msg']}", "grade it again"
        ) from None


def is_result(raw: object) -> bool:
    """Whether JSON data says that it is one."""
    return isinstance(raw, dict) and raw.get("schema") == SCHEMA


def glance(content: bytes) -> Glance:
    """The little of a result.json that tables show; nothing where the file is absent or damaged."""
    if not content:
        return Glance()
    try:
        return cast("Glance", _adapter(Glance).validate_json(content))
    except ValueError:
        return Glance()


@cache
def _adapter(model: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(model)
