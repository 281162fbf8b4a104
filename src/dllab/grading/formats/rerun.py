"""One cell anew: a training of the learner's code with given overrides and seed, and its metric."""

import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import yaml
from safetensors.torch import save_file

from dllab.grading.formats.work import Work
from dllab.grading.items import PublicTest
from dllab.lab.formats import Claims
from dllab.lab.spec import Criterion
from dllab.rundir.run import RunFolder
from dllab.sandbox.identity import let_through
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session

PATIENCE = 3.0  # times the cell's budget: a busy machine is slow, and what hangs is to be ended


class LostCellError(Exception):
    """A cell that gave no number; the message says why."""


def run_cell(work: Work, criterion: Claims, override: str, seed: int) -> float:
    """The criterion's metric after a training with `override`, on the public test items.

    Those are the items that a learner's own runs were measured on. Raises LostCellError.
    """
    # Imported on demand: the scorer loads no config machinery unless it trains.
    from dllab.config.compose import compose

    measured = work.lab.spec.measured[criterion.measure]
    words = [*criterion.overrides, *override.split(), f"seed={seed}", f"arm={measured.arm}"]
    config = compose(work.lab, words)[measured.arm]
    seconds = PATIENCE * criterion.cell_s
    limits = Limits.of_training(work.lab.spec.budgets)
    limits = replace(limits, request_s=seconds, total_s=seconds + limits.start_s)
    with Session(work.lab, work.code, work.backend, limits, released=True) as session:
        reply = session.retrain(config.model, config.data, asdict(config.trainer), seed)
    if reply.failure:
        raise LostCellError(f"training {override} anew failed: {reply.failure.message}")
    with tempfile.TemporaryDirectory(prefix="dllab-cell-") as scratch:
        run = RunFolder(Path(scratch))
        let_through(run.path)
        run.code.write_bytes(work.code.read_bytes())
        run.arm(measured.arm).path.mkdir(parents=True)
        save_file(reply.arrays, run.arm(measured.arm).weights)
        plain = {"lab": work.lab.id, "arms": {measured.arm: config.plain()}}
        run.config.write_text(yaml.safe_dump(plain), encoding="utf-8")
        return _measure(work, run, measured, seed)


def _measure(work: Work, run: RunFolder, criterion: Criterion, seed: int) -> float:
    """Grade the run by this one criterion."""
    from dllab.grading.grade import grade_run  # which judges formats: this would be a circle

    spec = work.lab.spec
    alone = replace(
        spec,
        checks={},
        hidden=(),
        criteria={criterion.id: criterion},
        arms={criterion.arm: spec.arms[criterion.arm]},
    )
    graded = grade_run(
        work.lab.with_spec(alone),
        run,
        mode="practice",
        backend=work.backend,
        source=PublicTest(),
        seed=seed,
    )
    measured = graded.result.metric(criterion.id)
    if measured is None:
        [row] = [row for row in graded.result.checks if row.id == criterion.id]
        raise LostCellError(f"{criterion.title} could not be measured: {row.message}")
    return measured.value
