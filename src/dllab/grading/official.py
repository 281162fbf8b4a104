"""Official grading: a stranger's archive → intake → sandbox → hidden items → a signed result."""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dllab.errors import LabError, Ungradable
from dllab.grading.grade import grade_run
from dllab.grading.hidden import HiddenSet
from dllab.grading.items import ItemSource, PublicTest
from dllab.grading.result import Mode, Result, Verdict
from dllab.grading.signature import sign
from dllab.lab.find import Lab, find_lab
from dllab.sandbox.backends import Backend
from dllab.submission.intake import Submission, read_manifest, take_in
from dllab.version import __version__


@dataclass(frozen=True)
class Terms:
    """What the grader decides on for all submissions: the wall, and the hidden folder if any."""

    root: Path
    backend: Backend
    mode: Mode = "official"
    hidden: Path | None = None
    seed: int | None = None


def grade_archive(archive: Path, terms: Terms) -> Result:
    """The signed result of one archive; its own faults become a verdict, not an exception.

    A fault of ours is tried once more. Raises LabError only for what the grader has to mend: a
    hidden set of another lab, no sandbox.
    """
    result = _verdict(archive, terms)
    if result["verdict"] == "infra_error":
        result = _verdict(archive, terms)
    result["submission"] |= {
        "id": file_id(archive),
        "learner": archive.stem,
        "received_at": _received(archive),
    }
    result["graded_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    return sign(result)


def file_id(archive: Path) -> str:
    """The id of a submission: the sha256 of its bytes, read in pieces."""
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verdict(archive: Path, terms: Terms) -> Result:
    scratch = Path(tempfile.mkdtemp(prefix="dllab-intake-"))
    try:
        _, manifest = read_manifest(archive)
        lab = _lab_of(manifest, terms.root)
        return _grade(lab, take_in(archive, lab, scratch / "run"), terms)
    except Ungradable as error:
        return _without_grade("ungradable", error, terms)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def item_source(hidden: Path | None, lab: Lab) -> ItemSource:
    """The hidden folder's items, or, without one, the public test: which claims nothing."""
    return HiddenSet(hidden, lab) if hidden else PublicTest()


def _grade(lab: Lab, submission: Submission, terms: Terms) -> Result:
    graded = grade_run(
        lab,
        submission.run,
        mode=terms.mode,
        backend=terms.backend,
        source=item_source(terms.hidden, lab),
        seed=terms.seed,
    )
    result = graded.result
    result["run"] = submission.manifest["run_id"]
    result["impl"] = "mine"
    claimed = submission.manifest["claimed"]
    for metric in result["metrics"]:
        said = claimed.get(metric["name"])
        metric["claimed_value"] = said if isinstance(said, int | float) else None
    return result


def _lab_of(manifest: dict[str, Any], root: Path) -> Lab:
    try:
        return find_lab(root, manifest["lab"])
    except LabError as error:
        raise Ungradable(f"manifest.json: {error.what}", error.hint) from None


def _without_grade(verdict: Verdict, error: LabError, terms: Terms) -> Result:
    """A result that says why there is no grade."""
    return {
        "schema": "dllab.result/1",
        "submission": {"lab": None, "lab_version": None, "late_s": 0},
        "grader": {"version": __version__, "device": None, "seeds": []},
        "verdict": verdict,
        "reason": error.what,
        "passed": False,
        "score": 0.0,
        "max_score": 0.0,
        "late_penalty": 0.0,
        "mode": terms.mode,
        "impl": "mine",
        "run": None,
        "backend": terms.backend.name,
        "evaluated_on": "hidden" if terms.hidden else "public-test",
        "checks": [],
        "metrics": [],
        "curve_findings": [],
        "manifest_expected": [],
        "manifest_completed": [],
        "nonce": None,
        "signature": None,
    }


def _received(archive: Path) -> str:
    moment = datetime.fromtimestamp(archive.stat().st_mtime, UTC)
    return moment.isoformat(timespec="seconds")
