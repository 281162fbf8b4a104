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
from dllab.grading.dreams import dream
from dllab.grading.formats.work import Work
from dllab.grading.items import ItemSource, PublicTest
from dllab.grading.plays import play_one
from dllab.grading.predictions import Prediction, predict_arms
from dllab.grading.result import Grading, make_result
from dllab.grading.rows import Found
from dllab.grading.seeds import derive, draw
from dllab.grading.sitting import Sitting
from dllab.grading.timings import time_one
from dllab.lab.find import Lab, find_lab
from dllab.report.findings import run_findings
from dllab.result import CheckRow, CurveFinding, Mode, Result
from dllab.rundir.dreams import Dreamt, write_dreams
from dllab.rundir.run import RunFolder, write_json
from dllab.sandbox.backends import Backend, find_backend
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session


@dataclass(frozen=True)
class Graded:
    """A result (dllab.result/1), per arm what was predicted on the items that scored it, and in
    practice what the model dreams.
    """

    result: Result
    predictions: Mapping[str, Prediction]
    dreams: tuple[Dreamt, ...]


def grade(
    root: Path,
    run: RunFolder,
    *,
    mode: Mode = "practice",
    backend: str = "none",
    source: ItemSource | None = None,
    seed: int | None = None,
    whole: bool = False,
) -> Graded:
    """Grade a run of one's own; write its result.json, and per arm the predictions scored.

    `source` gives the scored items (default: the public test split). Raises LabError when the run
    or a data set is absent. See `grade_run` for the rest.
    """
    _require_whole(run)
    lab = find_lab(root, run.read_config().get("lab", run.lab_id))
    run.take_sheets(lab)
    items = source or PublicTest()
    wall = find_backend(backend)
    graded = grade_run(lab, run, mode=mode, backend=wall, source=items, seed=seed, whole=whole)
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
    write_dreams(run, graded.dreams)
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
    whole: bool = False,
) -> Graded:
    """Grade a folder that lies like a run, by the grader's own copy of the lab; write nothing.

    Learner code runs in a worker behind `backend`; this process never imports it. `seed` fixes
    what is drawn for the checks; without it an official grading draws afresh, and in practice what
    a check that failed has seen comes again. `whole` lets hidden checks and criteria count in
    practice as well, for authors.
    """
    if mode == "official":
        require_wall(backend)
    drawn = draw() if seed is None else seed
    whole = whole or mode == "official"

    limits, handed_in = Limits.of(lab.spec.budgets), run.artifacts
    with Session(lab, run.code, backend, limits, artifacts=handed_in) as session:
        draws = Draws(drawn) if whole or seed is not None else Draws.kept(lab)
        rows = check_code(session, lab, lab.spec.visible, draws)
        sitting = Sitting(lab, run, session, source, backend, whole)
        predictions = predict_arms(sitting, drawn)
        beside = measure_beside(sitting, drawn)
        work = Work(lab, run.code, run.path, session, backend, drawn)
        formats = _judge_formats(work, mode)
        dreams = dream(sitting) if mode == "practice" else ()
        hidden = [id for id in lab.spec.checks if id in lab.spec.hidden]
        if whole and hidden:  # last: the worker that answers them has read hidden probes
            rows += check_code(session, lab, hidden, draws, after=rows)
    # The sandbox is dead. Only now are labels opened.
    scored = score_criteria(sitting, predictions, beside, drawn)

    how = Grading(mode, backend.name, source.kind, drawn, session.nonce, whole)
    weighed = weigh(lab, run)
    measured = [*rows, *weighed, *withhold(scored.rows, weighed), *formats]
    return Graded(make_result(lab, run, measured, scored.metrics, how), predictions, dreams)


def measure_beside(sitting: Sitting, seed: int) -> dict[str, Found]:
    """The criteria that are measured while the model is there, by id: plays and timings."""
    ways = {"play": play_one, "timing": time_one}
    return {
        one.id: ways[one.kind](sitting, one, derive(seed, one.kind, one.id))
        for one in sitting.lab.spec.scored(official=sitting.whole)
        if one.kind in ways
    }


def _judge_formats(work: Work, mode: Mode) -> list[CheckRow]:
    if not work.lab.spec.formats:
        return []
    # Imported on demand: most labs have none, and pydantic is slow to import.
    from dllab.grading.formats.judge import judge_formats

    return judge_formats(work, official=mode == "official")


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
    for arm, prediction in predictions.items():
        if (scores := prediction.scores) is not None:
            labels = source.labels(lab.spec.arms[arm].data)
            save_file({"scores": scores, **labels}, run.arm(arm).test_predictions)
