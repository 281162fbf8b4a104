"""Many archives: graded side by side, resumable, and none of them can stop the others."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from dllab.course.plan import CourseRules
from dllab.course.standing import Entry, GradeStanding, standings
from dllab.errors import LabError, legible
from dllab.grading.content import grader_content
from dllab.grading.official import (
    Terms,
    grade_archive,
    hidden_id,
    require_sound,
    timed,
)
from dllab.grading.regrade import Regrade, compare, keep, log
from dllab.grading.signature import is_ours, sign
from dllab.lab.find import Lab, all_labs
from dllab.report.batch import BatchRow, write_evidence, write_summary
from dllab.report.table import cell, for_spreadsheets, write_table
from dllab.result import Result, read_result
from dllab.rundir.run import write_json, write_text
from dllab.submission.gather import HandedIn, PassedOver
from dllab.submission.handed_in import submission_id


@dataclass(frozen=True)
class GradedBatch:
    """The results by archive, in the order asked, and what had another grade before."""

    results: list[Result]
    regrades: list[Regrade]


def grade_folder(
    submissions: Sequence[HandedIn],
    terms: Terms,
    out: Path,
    jobs: int = 1,
    done: Callable[[HandedIn, Result], None] = lambda _submission, _result: None,
    *,
    force: bool = False,
) -> GradedBatch:
    """Grade every submission into a file of `out/results`, with a page of evidence beside it, and
    list them all in `out/grades.csv` and `out/summary.html`.

    A file's name tells the learner, and differs for other bytes: a worse second submission never
    overwrites a better first one, and two learners with one archive have a result each. What is
    graded already by the same content and on the same terms is not graded again, unless by `force`
    or because the fault was ours: so an interrupted batch goes on where it stopped. An older result
    moves to `out/history`, and `out/regraded.csv` tells before and after. `done` hears of each
    submission as it is finished.
    """
    require_sound(terms)
    targets = {one: result_of(one, out) for one in submissions}
    same: dict[Path, list[HandedIn]] = {}
    for one, target in targets.items():
        same.setdefault(target, []).append(one)
    labs = {lab.id: lab for lab in all_labs(terms.root)}
    graded: dict[Path, tuple[Result, Regrade | None]] = {}

    def settle(one: HandedIn, target: Path) -> tuple[Result, Regrade | None]:
        earlier = _earlier(target)
        why = _why_again(earlier, terms, labs) if earlier else ""
        if earlier and not why and not force:
            return _retime(one, terms, target, earlier)
        return _put(target, grade_archive(one.path, terms, one), earlier, why or "forced")

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = {pool.submit(settle, same[target][0], target): target for target in same}
        try:
            for future in as_completed(futures):
                target = futures[future]
                graded[target] = future.result()
                for one in same[target]:
                    done(one, graded[target][0])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    results = [graded[targets[one]][0] for one in submissions]
    pairs = zip(submissions, results, strict=True)
    said = standings(terms.course or CourseRules(), [entry_of(result) for result in results])
    rows = [_row(*pair, targets[pair[0]], told) for pair, told in zip(pairs, said, strict=True)]
    rows = with_shared_sheets(rows, results)
    write_text(out / "grades.csv", for_spreadsheets(_csv(BatchRow, rows)))
    write_summary(out, rows)
    return GradedBatch(results, [regrade for _, regrade in graded.values() if regrade])


def result_of(one: HandedIn, out: Path) -> Path:
    """Where a submission's result goes: one place for each learner and content."""
    readable = re.sub(r"[^\w@-]+", "_", one.learner).strip("_")[:60] or "unnamed"
    key = hashlib.sha256(f"{one.learner}\0{submission_id(one.path)}".encode()).hexdigest()
    return out / "results" / f"{readable}-{key[:12]}.json"


def _retime(
    one: HandedIn, terms: Terms, target: Path, earlier: Result
) -> tuple[Result, Regrade | None]:
    """An earlier result, with what the course says now of its time."""
    known = earlier.submission
    told = replace(known, received_at=one.received_at or known.received_at)
    now = timed(replace(earlier, submission=told), terms.course)
    if now == earlier:
        return earlier, None
    return _put(target, sign(now), earlier, "another due time or penalty")


def _put(
    target: Path, result: Result, earlier: Result | None, why: str
) -> tuple[Result, Regrade | None]:
    """Put a result where it belongs, and keep what was there."""
    out = target.parent.parent
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
    if not is_ours(earlier):
        return "not signed by this grader"
    if grader.content != grader_content(labs.get(earlier.submission.lab or "")):
        return "other checks, lab.yaml or grader"
    if grader.hidden != hidden_id(terms.hidden):
        return "another hidden set"
    if (earlier.mode, grader.retrained) != (terms.mode, terms.retrain):
        return "graded in another way"
    return ""


def entry_of(result: Result) -> Entry:
    """What a course's rules ask of a result."""
    known = result.submission
    who, what = known.learner or "", known.lab or ""
    return Entry(who, what, known.id or "", result.verdict, result.max_score, known.received_at)


def _row(one: HandedIn, result: Result, target: Path, said: GradeStanding) -> BatchRow:
    submission = result.submission
    final = said.final(result.score, result.verdict)
    unknown = "not in the roster" if one.known is False else ""
    return BatchRow(
        archive=legible(str(one.path)),
        learner=submission.learner or "",
        lab=submission.lab or "",
        verdict=result.verdict,
        passed=result.passed,
        score=result.score,
        max_score=result.max_score,
        reason="; ".join(part for part in (result.reason, unknown) if part),
        id=submission.id or "",
        result=f"results/{target.name}",
        late_s=submission.late_s,
        late_penalty=result.late_penalty,
        final="" if final is None else f"{final:g}",
        note=said.note,
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


def write_passed_over(out: Path, passed_over: Iterable[PassedOver]) -> None:
    """`out/passed_over.csv`: the files of a folder that are no submissions, and why not."""
    write_text(out / "passed_over.csv", for_spreadsheets(_csv(PassedOver, passed_over)))


def _csv(model: type[BatchRow | PassedOver], rows: Iterable[BatchRow | PassedOver]) -> str:
    """The rows under a header; None is an empty cell."""
    cells = (["" if one is None else cell(str(one)) for one in astuple(row)] for row in rows)
    return write_table([[field.name for field in fields(model)], *cells])
