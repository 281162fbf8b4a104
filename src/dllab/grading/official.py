"""Official grading: a stranger's archive → intake → sandbox → hidden items → a signed result."""

import shutil
import sys
import tempfile
import traceback
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from dllab.course.plan import CourseRules
from dllab.data.catalog import data_folders
from dllab.errors import LabError, Ungradable
from dllab.grading.grade import grade_run, require_wall
from dllab.grading.hidden import HiddenSet, about
from dllab.grading.items import ItemSource, PublicTest
from dllab.grading.result import without_grade
from dllab.grading.signature import ensure_key, key_path, sign
from dllab.lab.find import Lab, find_lab
from dllab.lab.project import lab_roots
from dllab.result import Mode, Result, Verdict
from dllab.sandbox.backends import Backend
from dllab.sandbox.identity import let_through
from dllab.submission.gather import HandedIn, lone
from dllab.submission.handed_in import still_copy, submission_id
from dllab.submission.intake import Intake, read_manifest, take_in
from dllab.submission.layout import MANIFEST
from dllab.submission.manifest import Manifest


@dataclass(frozen=True)
class Terms:
    """What the grader decides on for all submissions: the wall, the items, which weights count."""

    root: Path
    backend: Backend
    mode: Mode = "official"
    hidden: Path | None = None
    seed: int | None = None
    retrain: bool = False
    course: CourseRules | None = None


def require_sound(terms: Terms) -> None:
    """Raise LabError for what the grader has to mend before anything is graded.

    No wall, nothing to sign with, a folder that is not a hidden set; or one, or a key, that lies
    where learner code may read.
    """
    _require_out_of_sight(key_path(), terms, "the key that signs grades")
    ensure_key()
    if terms.mode == "official":
        require_wall(terms.backend)
    if terms.hidden is not None:
        find_lab(terms.root, about(terms.hidden).lab)
        _require_out_of_sight(terms.hidden, terms, "the hidden set")


def _require_out_of_sight(secret: Path, terms: Terms, what: str) -> None:
    ours = (*lab_roots(terms.root), *data_folders(terms.root))
    for shown in (*ours, Path(sys.prefix), Path(sys.base_prefix)):
        if secret.resolve().is_relative_to(shown.resolve()):
            raise LabError(
                f"{secret} lies in {shown}, which learner code can read",
                f"move {what} out of the project",
            )


def grade_archive(archive: Path, terms: Terms, handed_in: HandedIn | None = None) -> Result:
    """The signed result of one archive. Whatever is wrong with it is a verdict, no exception.

    `handed_in` says whose it is and when it came in; without it the archive's name and time do. A
    fault of ours is tried once more. Raises LabError as `require_sound` does.
    """
    require_sound(terms)
    one = handed_in or lone(archive)
    id, result = _verdict(archive, terms)
    if result.verdict == "infra_error":
        id, result = _verdict(archive, terms)
    submission = replace(
        result.submission,
        id=id,
        learner=one.learner,
        received_at=one.received_at or _received(archive),
    )
    grader = replace(result.grader, hidden=hidden_id(terms.hidden), retrained=terms.retrain)
    return sign(timed(replace(result, submission=submission, grader=grader), terms.course))


def timed(result: Result, course: CourseRules | None) -> Result:
    """The result with what a course says of its time; without a course it stays as it is."""
    if course is None:
        return result
    known = result.submission
    learner, lab = known.learner or "", known.lab or ""
    late_s, percent = course.lateness(learner, lab, known.received_at)
    penalty = round(percent * result.max_score / 100, 6)
    return replace(result, submission=replace(known, late_s=late_s), late_penalty=penalty)


def hidden_id(hidden: Path | None) -> str | None:
    """Which hidden set: the sha256 of its hidden.json, which holds the hashes of all the rest."""
    return submission_id(hidden / "hidden.json") if hidden else None


def _verdict(archive: Path, terms: Terms) -> tuple[str, Result]:
    """The id of the very bytes that were graded, and what became of them."""
    scratch, lab, id = Path(tempfile.mkdtemp(prefix="dllab-intake-")), None, ""
    let_through(scratch)
    try:
        id = submission_id(archive)
        copy = still_copy(archive, scratch)
        id = submission_id(copy)
        lab = _lab_of(read_manifest(copy), terms)
        return id, _grade(lab, take_in(copy, lab, scratch / "run"), terms)
    except Ungradable as error:
        reason = f"{error.what}; {error.hint}" if error.hint else error.what
        return id, _without_grade("ungradable", reason, lab, terms)
    except LabError as error:
        return id, _without_grade("infra_error", error.what, lab, terms)
    except Exception as error:  # noqa: BLE001 - a fault of ours must not take the batch along
        last = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
        return id, _without_grade("infra_error", f"the grader failed: {reason}", lab, terms)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def item_source(hidden: Path | None, lab: Lab) -> ItemSource:
    """The hidden folder's items, or, without one, the public test: which claims nothing."""
    return HiddenSet(hidden, lab) if hidden else PublicTest()


def _grade(lab: Lab, submission: Intake, terms: Terms) -> Result:
    if terms.retrain:
        # Imported on demand: the scorer loads no config machinery unless it trains.
        from dllab.grading.retrain import retrain

        retrain(lab, submission.run, terms.backend, terms.seed)
    graded = grade_run(
        lab,
        submission.run,
        mode=terms.mode,
        backend=terms.backend,
        source=item_source(terms.hidden, lab),
        seed=terms.seed,
    )
    claimed = submission.manifest.claimed
    return replace(
        graded.result,
        run=submission.manifest.run_id,
        impl="mine",
        metrics=tuple(
            replace(metric, claimed_value=claimed.get(metric.name))
            for metric in graded.result.metrics
        ),
    )


def _lab_of(manifest: Manifest, terms: Terms) -> Lab:
    try:
        lab = find_lab(terms.root, manifest.lab)
    except LabError as error:
        raise Ungradable(f"manifest.json: {error.what}", error.hint) from None
    graded = about(terms.hidden).lab if terms.hidden else lab.id
    if lab.id != graded:
        raise Ungradable(f"this is a submission of {lab.id}, and {graded} is graded here")
    return lab


def _without_grade(verdict: Verdict, reason: str, lab: Lab | None, terms: Terms) -> Result:
    return without_grade(
        verdict,
        reason,
        lab,
        mode=terms.mode,
        backend=terms.backend.name,
        evaluated_on="hidden" if terms.hidden else "public-test",
    )


def _received(archive: Path) -> datetime | None:
    """When the archive was last written; None when it cannot be seen."""
    written = archive / MANIFEST if archive.is_dir() else archive
    try:
        return datetime.fromtimestamp(int(written.stat().st_mtime), UTC)
    except OSError:
        return None
