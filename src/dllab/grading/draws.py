"""The seeds of what is drawn for checks.

An official grade draws afresh. In practice the numbers of a check that fails stay the same until it
passes, so that a learner can work them out by hand.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Self

from dllab.errors import LabError
from dllab.grading.seeds import derive, draw
from dllab.lab.find import Lab
from dllab.rundir.run import write_json


class Draws:
    """The seed of each check: kept in a file while the check fails, else derived from a secret."""

    def __init__(self, secret: int, file: Path | None = None) -> None:
        self._secret, self._file = secret, file

    @classmethod
    def kept(cls, lab: Lab) -> Self:
        """Those of a lab in practice."""
        return cls(draw(), lab.root / ".cache" / "draws" / f"{lab.id}.json")

    def seed(self, id: str) -> int:
        """What a check's values are drawn from."""
        return self._read().get(id) or derive(self._secret, "check", id)

    @property
    def failing(self) -> tuple[str, ...]:
        """The checks that failed when they last ran; those at an open TODO left out."""
        return tuple(self._read())

    def settle(self, id: str, seed: int, *, failed: bool) -> None:
        """Keep the seed of a check that failed with it; forget that of any other.

        A disk that cannot be written to costs only the memory.
        """
        if self._file is None:
            return
        before = self._read()
        after = {name: kept for name, kept in before.items() if name != id}
        if failed:
            after[id] = seed
        if after != before:
            with suppress(LabError, OSError):
                write_json(self._file, after)

    def _read(self) -> dict[str, int]:
        if self._file is None:
            return {}
        try:
            raw = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(raw, dict):
            return {}
        return {id: seed for id, seed in raw.items() if isinstance(seed, int)}
