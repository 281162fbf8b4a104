"""The story of a grade: run folder → sandbox → checks → criteria → verdict. Read top to bottom."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from dllab.errors import InfraError, LabError
from dllab.grading.code_checks import check_code
from dllab.grading.criteria import score_criteria
from dllab.grading.items import ItemSource, PublicTest
from dllab.grading.predictions import Prediction, predict_arms, scored_arms
from dllab.grading.result import Mode, Result, Terms, make_result
from dllab.lab.find import Lab, find_lab
from dllab.rundir.run import RunFolder, write_json
from dllab.sandbox.backends import Backend, find_backend
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import open_session


@dataclass(frozen=True)
class Graded:
    """A result (dllab.result/1), and per arm what was predicted on the items that scored it."""

    result: Result
    predictions: Mapping[str, Prediction]


def grade(
    root: Path,
    run: RunFolder,
    *,
    mode: Mode = "practice",
    backend: str = "none",
    source: ItemSource | None = None,
    seed: int | None = None,
) -> Graded:
    """Grade a run; write its result.json, and per arm the predictions that were scored.

    Learner code runs in a worker behind `backend`; this process never imports it. `source` gives
    the scored items (default: the public test split). `seed` fixes what is drawn for the checks;
    without it every grading draws afresh. Raises LabError when the run or a data set is absent.
    """
    _require_whole(run)
    lab = find_lab(root, run.read_config().get("lab", run.lab_id))
    wall = find_backend(backend)
    if mode == "official":
        _require_wall(wall)
    items = source or PublicTest()
    drawn = secrets.randbits(31) if seed is None else seed
    ids = tuple(lab.spec.checks) if mode == "official" else lab.spec.visible

    with open_session(lab, run.code, wall, Limits.of(lab.spec.budgets)) as session:
        rows = check_code(session, lab, ids, drawn)
        predictions = predict_arms(session, lab, run, items, drawn)
    # The sandbox is dead. Only now are labels opened.
    scored = score_criteria(lab, predictions, items, drawn)

    terms = Terms(mode, wall.name, items.kind, drawn, session.nonce)
    result = make_result(lab, run, [*rows, *scored.rows], scored.metrics, terms)
    _keep_predictions(lab, run, predictions, items)
    write_json(run.result, result)
    return Graded(result, predictions)


def _require_whole(run: RunFolder) -> None:
    for needed in (run.config, run.code):
        if not needed.is_file():
            raise LabError(f"{needed} is missing", "this is not a whole run; train again")


def _require_wall(backend: Backend) -> None:
    if not backend.official:
        raise InfraError(
            f"official grading needs a sandbox, and backend {backend.name!r} is none",
            "install bubblewrap (Debian and Ubuntu: apt install bubblewrap)",
        )


def _keep_predictions(
    lab: Lab, run: RunFolder, predictions: Mapping[str, Prediction], source: ItemSource
) -> None:
    """Keep what was scored, for the report's confusion matrix and worst mistakes."""
    for arm in scored_arms(lab):
        if (scores := predictions[arm].scores) is not None:
            label = source.labels(lab.spec.arms[arm].data)
            save_file({"scores": scores, "label": label}, run.arm(arm).test_predictions)
