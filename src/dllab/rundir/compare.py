"""Two runs side by side: what differed in config, code and machine, and what came of it."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dllab.rundir.run import RunFolder

# Of the run card only what may change an outcome; the rest (times, ids) always differs.
_SETTING = ("impl", "lab_version", "seeds", "threads", "hardware", "versions", "data")


@dataclass(frozen=True)
class Difference:
    """One key that differs. A value that one run does not have is None."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True)
class OutcomeChange:
    """One number of the two results, and by how much B exceeds A (None where one is missing)."""

    name: str
    a: float | None
    b: float | None

    @property
    def change(self) -> float | None:
        """B minus A."""
        return None if self.a is None or self.b is None else self.b - self.a


@dataclass(frozen=True)
class Comparison:
    """All that differed between two runs. `code` is a unified diff, line by line."""

    config: tuple[Difference, ...]
    setting: tuple[Difference, ...]
    code: tuple[str, ...]
    outcome: tuple[OutcomeChange, ...]


def compare_runs(a: RunFolder, b: RunFolder) -> Comparison:
    """What differed in config, setting and code, and each number of the outcome."""
    return Comparison(
        config=tuple(differences(*comparable([a.read_config(), b.read_config()]))),
        setting=tuple(d for d in differences(_setting(a), _setting(b)) if None not in (d.a, d.b)),
        code=tuple(_code(a, b)),
        outcome=tuple(_outcome(a, b)),
    )


def comparable(configs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Configs as they are held against each other: the arms that all have, and which they have.

    An arm that only one run trained would else differ in each of its keys.
    """
    arms = [dict(config.get("arms") or {}) for config in configs]
    shared = [name for name in arms[0] if all(name in one for one in arms)] if arms else []
    return [
        {
            **config,
            "overrides": " ".join(map(str, config.get("overrides") or ())) or "none",
            "trained": ", ".join(one),
            "arms": {name: one[name] for name in shared},
        }
        for config, one in zip(configs, arms, strict=True)
    ]


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    """The dotted keys at which two nested mappings differ, in the order of A, then of B."""
    flat_a, flat_b = dict(flat(a)), dict(flat(b))
    for key in dict.fromkeys([*flat_a, *flat_b]):
        if flat_a.get(key) != flat_b.get(key):
            yield Difference(key, flat_a.get(key), flat_b.get(key))


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a nested mapping under their dotted keys."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _setting(run: RunFolder) -> dict[str, Any]:
    card = run.read_card()
    return {key: card[key] for key in _SETTING if key in card}


def _code(a: RunFolder, b: RunFolder) -> Iterator[str]:
    before, after = (
        run.code.read_text(encoding="utf-8", errors="replace") if run.code.is_file() else ""
        for run in (a, b)
    )
    names = (f"{a.id}/lab.py", f"{b.id}/lab.py")
    return difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")


def _outcome(a: RunFolder, b: RunFolder) -> Iterator[OutcomeChange]:
    numbers_a, numbers_b = outcome_numbers(a), outcome_numbers(b)
    for name in dict.fromkeys([*numbers_a, *numbers_b]):
        yield OutcomeChange(name, numbers_a.get(name), numbers_b.get(name))


def outcome_numbers(run: RunFolder) -> dict[str, float | None]:
    """Score, every metric by name, and what the run cost."""
    result, cost = run.read_result(), run.read_card().get("cost", {})
    numbers: dict[str, float | None] = {}
    if result:
        numbers = {"score": result.score, **{m.name: m.value for m in result.metrics}}
    costs = {"seconds": "wall_s", "CPU seconds": "cpu_s", "peak MB": "peak_memory_mb"}
    return numbers | {name: cost[key] for name, key in costs.items() if key in cost}
