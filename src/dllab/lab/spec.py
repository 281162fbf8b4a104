"""What lab.yaml says, as typed models: checked by pydantic, plain frozen values after that.

The models are dataclasses, so that a command which shows what was checked before need not import
pydantic. dllab.lab.read makes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from dllab.lab.checked import ByKind, Checked
from dllab.lab.formats import BreakIt, Claims, Forecast, Format

Level = Literal["beginner", "intermediate", "advanced"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True)
class Arm(Checked):
    """One training."""

    name: str = field(metadata={"from_key": True})
    """The key under `arms`."""
    overrides: tuple[str, ...] = ()
    """Hydra overrides that make this arm."""
    budget_s: float = 180.0
    """Wall seconds."""
    data: str = ""
    """The data set whose items score the arm."""
    on_purpose: tuple[str, ...] = ()
    """Rules of the curve doctor that this arm breaks because it should."""
    scores: str = ""
    """What `predict` returns, as `float32 [N, 8, 6]`, where metric and set leave it open."""
    independent: bool = True
    """Whether an item is scored alone. Else all are scored at once, and their order is changed."""


@dataclass(frozen=True)
class Criterion(Checked):
    """A metric with a target (`pass`), the published level (`strong`) and a floor worth nothing."""

    id: str = field(metadata={"from_key": True})
    """The key under `criteria`."""
    title: str
    metric: str
    """The name of what measures it: one of dllab.metrics, or one that the lab brings."""
    points: float
    target: float = field(metadata={"alias": "pass"})
    floor: float
    strong: float | None = None
    arm: str = "main"
    data: str = ""
    """The set whose items a play gets, in a lab without arms; else the arm names it."""
    required: bool = False
    kind: Literal["metric", "play", "timing"] = "metric"
    """Whether scores are measured, a model is played with, or two are timed in turns."""


AnyCriterion = Annotated[Criterion | BreakIt | Forecast | Claims, ByKind()]


@dataclass(frozen=True)
class Budgets(Checked):
    """What a lab may use, and what its sandbox grants."""

    train_s: float = 180.0
    """Wall seconds of all arms together."""
    memory_mb: int = 4096
    """MiB."""
    artifact_bytes: int = 16_000_000
    """Of code, config and all weights."""
    code_bytes: int = 40_000
    """Of lab.py alone: twice the longest reference, and no room for a table of answers."""
    probe_s: float = 60.0
    """Wall seconds of one check; a visible one has ten at most in practice."""
    processes: int = 64
    sockets: bool = False
    gpu: bool = False


@dataclass(frozen=True)
class Artifact(Checked):
    """A file beyond the weights that a submission carries, opened only in the sandbox."""

    max_bytes: int
    title: str = ""


@dataclass(frozen=True)
class Calibration(Checked):
    """The recorded runs of the reference that a criterion's numbers follow from."""

    seeds: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    """What the criterion's metric was, by seed."""
    mean: float | None = None
    sd: float | None = None
    n: int = 0
    """Scored items."""
    slack: float | None = None
    """How far below the target the interval rule still gives full points at `n` items."""
    reserved: float | None = None
    """The mean of the same runs on all reserved rows, where hidden sets are drawn from."""
    mutants: Mapping[str, tuple[float, ...]] | float = field(default_factory=dict)
    """What the metric's mutants reached, by seed; or only the best of them all."""
    recipe: str = ""
    """A hash of what ran: the reference and its config."""
    date: str = ""


@dataclass(frozen=True)
class Recorded(Checked):
    """What the runs of an experiment gave."""

    values: Mapping[str, tuple[float, ...]]
    """By measure, then by seed."""
    recipe: str
    """A hash of what ran: the reference, its config, and what was tried."""
    date: str


@dataclass(frozen=True)
class Experiment(Checked):
    """Runs that a lab's page tells of: the reference over seeds, with a change or a mistake."""

    name: str = field(metadata={"from_key": True})
    """The key under `experiments`."""
    title: str
    seeds: tuple[int, ...]
    measures: tuple[str, ...]
    """Ids of criteria, or logged keys: their last value; `first`, `min` or `max` may precede. And
    `step_ms`, the CPU time of a step in milliseconds, validation included.
    """
    overrides: tuple[str, ...] = ()
    """What is changed on the command line."""
    mutant: str = ""
    """The planted mistake that is trained in place of the reference."""
    curve: str = ""
    """The logged key of which these runs are drawn in curves.svg; the reference comes first."""
    bars: str = ""
    """What logged keys begin with whose last values are drawn in curves.svg as bars, by name."""
    record: Recorded | None = None
    """Written by `dllab calibrate --experiments`."""


@dataclass(frozen=True)
class Conflict(Checked):
    """Values of the config that cannot work together: refused before anything is built."""

    when: tuple[str, ...]
    """As overrides: `trainer.strategy=fsdp`."""
    because: str
    instead: str
    """The override that goes with the others."""


@dataclass(frozen=True)
class LabSpec(Checked):
    """Everything lab.yaml says; the scorer reads its own copy, never a submitted one."""

    title: str
    summary: str
    """One sentence that `dllab list` shows."""
    level: Level
    pass_score: float
    """The share of all points that passes."""
    topics: tuple[str, ...] = ()
    """Ids of labs/checklist.yaml."""
    checks: Mapping[str, float] = field(default_factory=dict)
    """Points by check, visible and hidden, in the order of the tasks: every one must report."""
    hints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By task: a nudge, more, nearly the answer."""
    starter_sha256: str = ""
    """Of lab.py as generated: an untouched one is known by it."""
    version: str = "1"
    exports: tuple[str, ...] = ("Model", "Data")
    """What lab.py must define."""
    arms: Mapping[str, Arm] = field(default_factory=dict)
    """By name; a lab that exports a Model has one called `main` by default."""
    conflicts: tuple[Conflict, ...] = ()
    criteria: Mapping[str, AnyCriterion] = field(default_factory=dict)
    """By id."""
    hidden: tuple[str, ...] = ()
    """Checks and criteria that stand in _author/checks.py, for official grading only."""
    requires: tuple[str, ...] = ()
    """Numbers of the labs to do before this one."""
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    """By file name: what a submission carries beside code, config and weights."""
    learner_files: tuple[str, ...] = ()
    """Names of files that a learner may hand in beside lab.py, from the folder `files` there."""
    budgets: Budgets = field(default_factory=Budgets)
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    """By criterion; written by `dllab calibrate`."""
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    """Runs that the README tells of, by name; filled by `dllab calibrate --experiments`."""
    minutes: Mapping[str, int] = field(default_factory=dict)
    """What each task takes a learner."""
    draft: bool = False
    """Whether it is still being written: listed nowhere, served to no topic, never released."""

    @property
    def total(self) -> float:
        """The points of all checks and criteria."""
        return sum(self.checks.values()) + sum(one.points for one in self.criteria.values())

    @property
    def measured(self) -> dict[str, Criterion]:
        """The criteria that a number decides, by id."""
        return {id: one for id, one in self.criteria.items() if isinstance(one, Criterion)}

    @property
    def formats(self) -> dict[str, Format]:
        """The others, by id: what a learner tests, forecasts and claims."""
        return {id: one for id, one in self.criteria.items() if not isinstance(one, Criterion)}

    @property
    def sheets(self) -> tuple[str, ...]:
        """The files that a learner fills in beside lab.py."""
        return tuple(f.sheet for f in self.formats.values() if not isinstance(f, BreakIt))

    @property
    def visible(self) -> tuple[str, ...]:
        """Ids of the checks that practice mode runs."""
        return tuple(id for id in self.checks if id not in self.hidden)

    def manifest(self, *, official: bool) -> tuple[str, ...]:
        """Ids of every check and criterion that must report in this mode."""
        checks = tuple(self.checks) if official else self.visible
        measured = (criterion.id for criterion in self.scored(official=official))
        return (*checks, *measured, *self.formats)

    def scored(self, *, official: bool) -> list[Criterion]:
        """The measured criteria of this mode."""
        return [one for one in self.measured.values() if official or one.id not in self.hidden]
