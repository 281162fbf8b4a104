"""Many archives: graded side by side, resumable, and none of them can stop the others."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import astuple, fields, replace
from pathlib import Path

from dllab.errors import LabError, legible
from dllab.grading.official import (
    Terms,
    file_id,
    grade_archive,
    hidden_id,
    learner_of,
    require_sound,
)
from dllab.report.batch import BatchRow, write_evidence, write_summary
from dllab.report.table import cell, write_table
from dllab.result import Result, read_result
from dllab.rundir.run import write_json, write_text
from dllab.version import __version__


def grade_folder(
    archives: Sequence[Path],
    terms: Terms,
    out: Path,
    jobs: int = 1,
    done: Callable[[Path, Result], None] = lambda _archive, _result: None,
) -> list[Result]:
    """Grade every archive into a file of `out/results`, with a page of evidence beside it, and list
    them all in `out/grades.csv` and `out/summary.html`.

    A file's name tells the learner, and differs for other bytes: a worse second submission never
    overwrites a better first one, and two learners with one archive have a result each. What is
    graded already on the same terms is not graded again, unless the fault was ours: so an
    interrupted batch goes on where it stopped. `done` hears of each archive as it is finished.
    """
    require_sound(terms)
    targets = {archive: _target(archive, out) for archive in archives}
    owners = {target: archive for archive, target in targets.items()}
    results: dict[Path, Result] = {}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = {
            pool.submit(_grade_one, a, terms, target): target for target, a in owners.items()
        }
        try:
            for future in as_completed(futures):
                target = futures[future]
                results[target] = future.result()
                for archive in archives:
                    if targets[archive] == target:
                        done(archive, results[target])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    rows = [_row(archive, targets[archive], results[targets[archive]]) for archive in archives]
    rows = with_shared_sheets(rows, [results[targets[archive]] for archive in archives])
    write_text(out / "grades.csv", _csv(rows))
    write_summary(out, rows)
    return [results[targets[archive]] for archive in archives]


def _target(archive: Path, out: Path) -> Path:
    """Where an archive's result goes: one place for each learner and content."""
    learner = learner_of(archive)
    readable = re.sub(r"[^\w@-]+", "_", learner).strip("_")[:60] or "unnamed"
    key = hashlib.sha256(f"{learner}\0{file_id(archive)}".encode()).hexdigest()
    return out / "results" / f"{readable}-{key[:12]}.json"


def _grade_one(archive: Path, terms: Terms, target: Path) -> Result:
    earlier = _earlier(target)
    if earlier and earlier.verdict != "infra_error" and _same_terms(earlier, terms):
        return earlier
    result = grade_archive(archive, terms)
    write_json(target, result.plain())
    write_evidence(target.with_suffix(".html"), result)
    return result


def _earlier(target: Path) -> Result | None:
    """What an earlier batch found; nothing where there is none, or only half a file."""
    try:
        return read_result(target)
    except LabError:
        return None


def _same_terms(earlier: Result, terms: Terms) -> bool:
    """The same mode, grader, hidden set and source of weights."""
    grader = earlier.grader
    return (
        earlier.mode == terms.mode
        and grader.version == __version__
        and grader.hidden == hidden_id(terms.hidden)
        and grader.retrained == terms.retrain
    )


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
