"""The story of a grade: run folder → sandbox → checks → criteria → verdict. Read top to bottom."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from safetensors.torch import save_file

from dllab.errors import InfraError, LabError
from dllab.grading.budget import weigh, withhold
from dllab.grading.code_checks import check_code
from dllab.grading.criteria import score_criteria
from dllab.grading.draws import Draws
from dllab.grading.items import ItemSource, PublicTest
from dllab.grading.plays import play_criteria
from dllab.grading.predictions import Prediction, predict_arms, scored_arms
from dllab.grading.result import Grading, make_result
from dllab.grading.seeds import draw
from dllab.lab.find import Lab, find_lab
from dllab.report.findings import run_findings
from dllab.result import CurveFinding, Mode, Result
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
    """Grade a run of one's own; write its result.json, and per arm the predictions scored.

    `source` gives the scored items (default: the public test split). Raises LabError when the run
    or a data set is absent. See `grade_run` for the rest.
    """
    _require_whole(run)
    lab = find_lab(root, run.read_config().get("lab", run.lab_id))
    items = source or PublicTest()
    graded = grade_run(lab, run, mode=mode, backend=find_backend(backend), source=items, seed=seed)
    code = hashlib.sha256(run.code.read_bytes()).hexdigest()
    result = replace(
        graded.result,
        submission=replace(graded.result.submission, id=code),
        curve_findings=tuple(
            CurveFinding(arm=arm, **asdict(finding))
            for arm, findings in run_findings(lab, run).items()
            for finding in findings
        ),
    )
    _keep_predictions(lab, run, graded.predictions, items)
    write_json(run.result, result.plain())
    return replace(graded, result=result)


def grade_run(
    lab: Lab,
    run: RunFolder,
    *,
    mode: Mode,
    backend: Backend,
    source: ItemSource,
    seed: int | None = None,
) -> Graded:
    """Grade a folder that lies like a run, by the grader's own copy of the lab; write nothing.

    Learner code runs in a worker behind `backend`; this process never imports it. `seed` fixes
    what is drawn for the checks; without it an official grading draws afresh, and in practice what
    a check that failed has seen comes again.
    """
    if mode == "official":
        require_wall(backend)
    drawn = draw() if seed is None else seed
    ids = tuple(lab.spec.checks) if mode == "official" else lab.spec.visible

    with open_session(lab, run.code, backend, Limits.of(lab.spec.budgets)) as session:
        draws = Draws.kept(lab) if mode == "practice" and seed is None else Draws(drawn)
        rows = check_code(session, lab, ids, draws)
        predictions = predict_arms(session, lab, run, source, drawn)
        played = play_criteria(session, lab, run, drawn)
    # The sandbox is dead. Only now are labels opened.
    scored = score_criteria(lab, run, predictions, played, source, seed=drawn)

    how = Grading(mode, backend.name, source.kind, drawn, session.nonce)
    weighed = weigh(lab, run)
    measured = [*rows, *weighed, *withhold(scored.rows, weighed)]
    return Graded(make_result(lab, run, measured, scored.metrics, how), predictions)


def _require_whole(run: RunFolder) -> None:
    for needed in (run.config, run.code):
        if not needed.is_file():
            raise LabError(f"{needed} is missing", "this is not a whole run; train again")


def require_wall(backend: Backend) -> None:
    """Raise InfraError for a backend behind which no grade counts."""
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
