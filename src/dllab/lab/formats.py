"""The criteria of lab.yaml that are formats: break-it, forecast and claims, as typed models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dllab.lab.checked import Checked

LEAST_SEEDS = 3  # two say next to nothing of a spread
MOST_CELL_S = 60.0
Scalar = int | float | str


@dataclass(frozen=True)
class BreakIt(Checked):
    """Cases that the learner writes find hidden mutants, and no right variant fails one."""

    id: str = field(metadata={"from_key": True})
    """The key under `criteria`; what the mutants that count name as what catches them."""
    kind: Literal["break-it"]
    title: str
    points: float
    driver: str
    """A driver of checks.py, which feeds a case to the code."""
    cases: str = "cases"
    """The learner's function that returns the cases, and the task to write it."""
    most: int = 8
    """How many cases may be handed in."""
    required: bool = False

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError("most must be 1 or more")

    @property
    def sentence(self) -> str:
        """What the learner reads."""
        return "Your cases find hidden mistakes in others' code, and right code passes them all."

    @property
    def asked(self) -> str:
        """The target in a few words."""
        return f"at most {self.most} cases that find every hidden mistake"


@dataclass(frozen=True)
class Forecast(Checked):
    """Exact answers for a drawn configuration, and 80 % intervals for hidden cells."""

    id: str = field(metadata={"from_key": True})
    """The key under `criteria`."""
    kind: Literal["forecast"]
    title: str
    points: float
    draws: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    """The configuration that the answers are about: by key, the values to draw from."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """By name: what is asked, in words."""
    intervals: int = 0
    """How many hidden cells of cells.csv are drawn for a learner."""
    measure: str = ""
    """What a cell's value is, in words."""
    skill: float = 0.5
    """Full points when the mean interval score is this share below the baseline's."""
    required: bool = False

    @property
    def sheet(self) -> str:
        """The learner's file beside lab.py."""
        return "forecast.yaml"

    def __post_init__(self) -> None:
        if not self.answers and not self.intervals:
            raise ValueError("it asks for nothing: give it answers, intervals or both")
        if not all(self.draws.values()):
            raise ValueError("draws: each key needs values to draw from")
        if not 0 < self.skill <= 1:
            raise ValueError("skill must lie above 0, and at most at 1")

    @property
    def sentence(self) -> str:
        """What the learner reads."""
        return "forecast.yaml says beforehand what a configuration costs and how runs will end."

    @property
    def asked(self) -> str:
        """The target in a few words."""
        parts = ["exact answers"] * bool(self.answers)
        parts += [f"80 % intervals with a skill ≥ {self.skill:g}"] * bool(self.intervals)
        return " and ".join(parts)


@dataclass(frozen=True)
class Claims(Checked):
    """What the learner found by experiment, audited by two runs with a new seed."""

    id: str = field(metadata={"from_key": True})
    """The key under `criteria`."""
    kind: Literal["claims"]
    title: str
    points: float
    measure: str
    """The criterion whose metric a run is compared by."""
    pairs: Mapping[str, tuple[tuple[str, str], ...]]
    """By claim: pairs of overrides, of which one is drawn for a learner."""
    sd: float
    """The standard deviation of a run's metric over seeds, in the arm where it is largest."""
    overrides: tuple[str, ...] = ()
    """What both arms share, so that a run is short."""
    seeds: int = 5
    """How many a claim must stand on at least."""
    cell_s: float = 60.0
    """Seconds of one run, in which waiting for a core does not count: at most 60, since the grader
    waits for two."""
    required: bool = False

    @property
    def sheet(self) -> str:
        """The learner's file beside lab.py."""
        return "claims.yaml"

    def __post_init__(self) -> None:
        if not self.pairs or not all(self.pairs.values()):
            raise ValueError("pairs: each claim needs a pair of overrides to draw")
        if self.sd <= 0 or self.seeds < LEAST_SEEDS:
            raise ValueError(f"sd must be above 0, and seeds at least {LEAST_SEEDS}")
        if not 0 < self.cell_s <= MOST_CELL_S:
            raise ValueError("cell_s must be at most 60 seconds")

    @property
    def sentence(self) -> str:
        """What the learner reads."""
        return "claims.yaml says what your experiments showed, and new runs agree with it."

    @property
    def asked(self) -> str:
        """The target in a few words."""
        return f"{len(self.pairs)} claims over ≥ {self.seeds} seeds that hold with a new seed"


Format = BreakIt | Forecast | Claims
