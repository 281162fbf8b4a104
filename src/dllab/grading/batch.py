"""Many archives: graded side by side, resumable, and none of them can stop the others."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from dllab.errors import LabError, legible
from dllab.grading.content import grader_content
from dllab.grading.official import (
    Terms,
    file_id,
    grade_archive,
    hidden_id,
    learner_of,
    require_sound,
)
from dllab.grading.regrade import Regrade, compare, keep, log
from dllab.lab.find import Lab, all_labs
from dllab.report.batch import BatchRow, write_evidence, write_summary
from dllab.report.table import cell, write_table
from dllab.result import Result, read_result
from dllab.rundir.run import write_json, write_text


@dataclass(frozen=True)
class GradedBatch:
    """The results by archive, in the order asked, and what had another grade before."""

    results: list[Result]
    regrades: list[Regrade]


def grade_folder(
    archives: Sequence[Path],
    terms: Terms,
    out: Path,
    jobs: int = 1,
    done: Callable[[Path, Result], None] = lambda _archive, _result: None,
    *,
    force: bool = False,
) -> GradedBatch:
    """Grade every archive into a file of `out/results`, with a page of evidence beside it, and list
    them all in `out/grades.csv` and `out/summary.html`.

    A file's name tells the learner, and differs for other bytes: a worse second submission never
    overwrites a better first one, and two learners with one archive have a result each. What is
    graded already by the same content and on the same terms is not graded again, unless by `force`
    or because the fault was ours: so an interrupted batch goes on where it stopped. An older result
    moves to `out/history`, and `out/regraded.csv` tells before and after. `done` hears of each
    archive as it is finished.
    """
    require_sound(terms)
    targets = {archive: result_of(archive, out) for archive in archives}
    same: dict[Path, list[Path]] = {}
    for archive, target in targets.items():
        same.setdefault(target, []).append(archive)
    labs = {lab.id: lab for lab in all_labs(terms.root)}
    graded: dict[Path, tuple[Result, Regrade | None]] = {}

    def settle(archive: Path, target: Path) -> tuple[Result, Regrade | None]:
        earlier = _earlier(target)
        why = _why_again(earlier, terms, labs) if earlier else ""
        if earlier and not why and not force:
            return earlier, None
        return _grade_one(archive, terms, target, earlier, why or "forced")

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = {pool.submit(settle, same[target][0], target): target for target in same}
        try:
            for future in as_completed(futures):
                target = futures[future]
                graded[target] = future.result()
                for archive in same[target]:
                    done(archive, graded[target][0])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    results = [graded[targets[archive]][0] for archive in archives]
    rows = [_row(one, targets[one], result) for one, result in zip(archives, results, strict=True)]
    rows = with_shared_sheets(rows, results)
    write_text(out / "grades.csv", _csv(rows))
    write_summary(out, rows)
    return GradedBatch(results, [regrade for _, regrade in graded.values() if regrade])


def result_of(archive: Path, out: Path) -> Path:
    """Where an archive's result goes: one place for each learner and content."""
    learner = learner_of(archive)
    readable = re.sub(r"[^\w@-]+", "_", learner).strip("_")[:60] or "unnamed"
    key = hashlib.sha256(f"{learner}\0{file_id(archive)}".encode()).hexdigest()
    return out / "results" / f"{readable}-{key[:12]}.json"


def _grade_one(
    archive: Path, terms: Terms, target: Path, earlier: Result | None, why: str
) -> tuple[Result, Regrade | None]:
    """Grade, put the result where it belongs, and keep what was there."""
    result, out = grade_archive(archive, terms), target.parent.parent
    kept = keep(target, out) if earlier else None
    write_json(target, result.plain())
    write_evidence(target.with_suffix(".html"), result)
    if earlier is None or kept is None:
        return result, None
    regrade = compare(earlier, result, why, kept)
    log(out, regrade)
    return result, regrade


def _earlier(target: Path) -> Result | None:
    """What an earlier batch found; nothing where there is none, or only half a file."""
    try:
        return read_result(target)
    except LabError:
        return None


def _why_again(earlier: Result, terms: Terms, labs: Mapping[str, Lab]) -> str:
    """In what an earlier grading differs from one now; empty where it would be the same."""
    grader = earlier.grader
    if earlier.verdict == "infra_error":
        return "the fault was ours"
    if grader.content != grader_content(labs.get(earlier.submission.lab or "")):
        return "other checks, lab.yaml or grader"
    if grader.hidden != hidden_id(terms.hidden):
        return "another hidden set"
    if (earlier.mode, grader.retrained) != (terms.mode, terms.retrain):
        return "graded in another way"
    return ""


def _row(archive: Path, target: Path, result: Result) -> BatchRow:
    submission = result.submission
    return BatchRow(
        archive=legible(str(archive)),
        learner=submission.learner or "",
        lab=submission.lab or "",
        verdict=result.verdict,
        passed=result.passed,
        score=result.score,
        max_score=result.max_score,
        reason=result.reason,
        id=submission.id or "",
        result=f"results/{target.name}",
    )


def with_shared_sheets(rows: Sequence[BatchRow], results: Sequence[Result]) -> list[BatchRow]:
    """The rows, with in `reason` whose sheet has the same draw: two learners get one by copying."""
    owners: dict[tuple[str, str], set[str]] = {}
    for row, result in zip(rows, results, strict=True):
        for key in _drawn(result):
            owners.setdefault(key, set()).add(row.learner)
    told = []
    for row, result in zip(rows, results, strict=True):
        others = {name for key in _drawn(result) for name in owners[key]} - {row.learner}
        said = f"a sheet was drawn for {', '.join(sorted(others))} as well" if others else ""
        told.append(replace(row, reason="; ".join(part for part in (row.reason, said) if part)))
    return told


def _drawn(result: Result) -> list[tuple[str, str]]:
    drawn = [(row.id, row.evidence.get("draw")) for row in result.checks]
    return [(id, draw) for id, draw in drawn if isinstance(draw, str)]


def _csv(rows: Iterable[BatchRow]) -> str:
    """The rows under a header; None is an empty cell."""
    cells = (["" if one is None else cell(str(one)) for one in astuple(row)] for row in rows)
    return write_table([[field.name for field in fields(BatchRow)], *cells])
