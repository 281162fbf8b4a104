"""How a threshold follows from runs of the reference: mean minus three standard deviations."""

import ast
import hashlib
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from dllab.lab.find import Lab
from dllab.lab.spec import Criterion

SIGMAS = 3.0
LEAST_SEEDS = 5


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of a criterion over seeds."""

    mean: float
    sd: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least two values."""
        return cls(statistics.fmean(values), statistics.stdev(values))


def bigger_is_better(criterion: Criterion) -> bool:
    """Which way is up for a criterion."""
    return criterion.target > criterion.floor


def pass_threshold(spread: Spread, *, up: bool) -> float:
    """Three standard deviations on the easy side of the mean, rounded towards easier."""
    edge = spread.mean - SIGMAS * spread.sd if up else spread.mean + SIGMAS * spread.sd
    return rounded(edge, up=not up)


def rounded(value: float, *, up: bool) -> float:
    """Rounded to hundredths below 10, tenths below 100, whole numbers above."""
    digits = max(0, 2 - max(0, math.floor(math.log10(max(abs(value), 1e-9)))))
    scaled = round(value * 10**digits, 6)  # 0.85 * 100 is 85 here, not 84.99…
    whole = math.ceil(scaled) if up else math.floor(scaled)
    return float(whole / 10**digits)


def beats(value: float, other: float, *, up: bool) -> bool:
    """Whether `value` is strictly better than `other`."""
    return value > other if up else value < other


def recipe_of(lab: Lab) -> str:
    """A hash of what the recorded values depend on: the reference's code and the lab's config.

    Comments, layout and docstrings do not count: words may change without new runs.
    """
    code = [path for path in (lab.solution, lab.folder / "given.py") if path.is_file()]
    parts = [code_only(path.read_text(encoding="utf-8")) for path in code]
    for path in sorted((lab.folder / "conf").rglob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        parts += [line.split(" #")[0].rstrip() for line in lines if not line.startswith("#")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def code_only(source: str) -> str:
    """The syntax tree of a source text without its docstrings: equal where only words differ."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        node.body = [  # type: ignore[attr-defined]
            statement
            for statement in body
            if not (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            )
        ]
    return ast.dump(tree)
