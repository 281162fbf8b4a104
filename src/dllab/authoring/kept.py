"""Trials kept on disk, so that a calibration which was interrupted goes on where it stopped."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from threading import Lock

from pydantic import TypeAdapter

from dllab.authoring.content import recipe_of
from dllab.authoring.trial import Trial
from dllab.lab.find import Lab
from dllab.rundir.run import write_text


class KeptTrials:
    """The trials of one lab for one purpose, by seed and by the code and overrides that ran.

    The file's name holds the lab's recipe: where that changes, no old trial counts any more.
    """

    def __init__(self, lab: Lab, purpose: str = "calibration") -> None:
        self._file = lab.root / ".cache" / purpose / f"{lab.id}-{recipe_of(lab)}.jsonl"
        self._lock = Lock()
        lines = self._file.read_text("utf-8").splitlines() if self._file.is_file() else []
        trials = TypeAdapter(Trial)
        self._kept: dict[tuple[str, int], Trial] = {}
        for row in map(json.loads, lines):
            self._kept[row.pop("ran"), row["seed"]] = trials.validate_python(row)

    def get_or_run(
        self,
        source: str | None,
        seed: int,
        run: Callable[[], Trial],
        overrides: Sequence[str] = (),
    ) -> Trial:
        """The kept trial of this code (None: the reference), overrides and seed, or a new one.

        A new one is kept if it was graded. Safe to call from several threads.
        """
        ran = hashlib.sha256(json.dumps([source, *overrides]).encode()).hexdigest()
        if kept := self._kept.get((ran, seed)):
            return kept
        trial = run()
        if not trial.graded:
            return trial
        with self._lock:
            self._kept[ran, seed] = trial
            lines = (
                json.dumps({"ran": key[0], **asdict(each)}) for key, each in self._kept.items()
            )
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._file, "".join(f"{line}\n" for line in lines))
        return trial

    def forget(self) -> None:
        """The calibration is whole: the next one takes new trials."""
        self._file.unlink(missing_ok=True)
