"""The checks of code: values drawn afresh, learner code called beside them, the outcome judged."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dllab.checks import Check, Outcome, collect
from dllab.errors import LearnerError
from dllab.grading.draws import Draws
from dllab.grading.rows import UNGRADABLE, explain, status_of
from dllab.grading.seeds import derive, generator
from dllab.lab.authored import authored
from dllab.lab.find import Lab
from dllab.lab.todo import NOT_DONE
from dllab.result import CheckRow
from dllab.sandbox.backends import find_backend
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session

UNJUDGED = "what your code returned cannot be judged ({}), and what the reference returns can"


def run_checks(
    lab: Lab, code: Path, ids: Sequence[str] | None = None, *, seed: int | None = None
) -> list[CheckRow]:
    """The visible checks (or those named) of one file, in one worker; for practice.

    `seed` fixes what is drawn; without it the values of a check stay the same until it passes.
    Raises LearnerError with the learner's traceback when the file cannot be imported.
    """
    wanted = lab.spec.visible if ids is None else tuple(ids)
    draws = Draws.kept(lab) if seed is None else Draws(seed)
    with Session(lab, code, find_backend("none"), Limits.of(lab.spec.budgets)) as session:
        if failure := session.open().failure:
            raise LearnerError(failure.message, failure.traceback, "mend the import first")
        return check_code(session, lab, wanted, draws)


def check_code(
    session: Session,
    lab: Lab,
    ids: Sequence[str],
    draws: Draws,
    *,
    after: Sequence[CheckRow] = (),
) -> list[CheckRow]:
    """One row for each id, in the order in which the checks are written.

    A check behind a failed one, of these or of those that went before, is skipped. An id without a
    check is an `error` row: the lab is at fault, and silence never counts as a pass.
    """
    checks = load_checks(lab, hidden=any(id in lab.spec.hidden for id in ids))
    before = {row.id: row for row in after}
    rows: dict[str, CheckRow] = {}
    for check in checks:
        if check.id in ids:
            rows[check.id] = check_one(session, lab, check, {**before, **rows}, draws)
    absent = [id for id in ids if id not in rows]
    return [*rows.values(), *(_absent(id, lab) for id in absent)]


def check_one(
    session: Session, lab: Lab, check: Check, rows: Mapping[str, CheckRow], draws: Draws
) -> CheckRow:
    """One check's row: skipped when `rows` holds a failed one that it depends on."""
    blockers = [id for id in check.depends_on if id in rows and _blocks(rows[id])]
    row = _blank(check, lab)
    if blockers:
        titles = ", ".join(rows[id].title for id in blockers)
        return replace(row, status="skip", message=f"needs {titles} first")
    seed = draws.seed(check.id)
    row = _run(session, lab, check, row, seed)
    failed = row.status in ("fail", "partial") and not row.message.startswith(NOT_DONE)
    draws.settle(check.id, seed, failed=failed)
    return row


def load_checks(lab: Lab, *, hidden: bool) -> list[Check]:
    """The lab's checks: those of checks.py, then the hidden ones of `_author/checks.py`."""
    return [check for module in authored(lab, hidden=hidden) for check in collect(module)]


def _run(session: Session, lab: Lab, check: Check, row: CheckRow, seed: int) -> CheckRow:
    try:
        given = check.given(generator(seed, "given"))
        module, function = _place(check, lab)
    except Exception as error:  # noqa: BLE001 - author code: any failure is ours, not the learner's
        return _our_fault(row, "given", error)
    secret = row.visibility == "hidden"
    probe_seed = derive(seed, "probe")
    reply = session.probe(module, function, given, probe_seed, check.grad, hidden=secret)
    if reply.failure:
        if session.official and reply.failure.kind in UNGRADABLE:
            session.give_up(reply)
        return replace(row, status="fail", **explain(reply.failure, reply.log, secret=secret))
    try:
        outcome = check.judge(given, reply.arrays)
    except Exception as error:  # noqa: BLE001 - as above
        if _judges_the_reference(session, lab, check, seed):
            return replace(row, status="fail", message=UNJUDGED.format(type(error).__name__))
        return _our_fault(row, "judge", error)
    return _judged(row, outcome)


def _judges_the_reference(session: Session, lab: Lab, check: Check, seed: int) -> bool:
    """Whether the check works on what the reference returns: then what broke it is not ours."""
    if not (session.official and lab.solution.is_file()):
        return False
    given = check.given(generator(seed, "given"))
    with session.beside(lab.solution) as reference:
        reply = reference.probe(*_place(check, lab), given, derive(seed, "probe"), check.grad)
    try:
        return reply.failure is None and check.judge(given, reply.arrays) is not None
    except Exception:  # noqa: BLE001 - as above
        return False


def _judged(row: CheckRow, outcome: Outcome) -> CheckRow:
    fraction = min(max(outcome.fraction, 0.0), 1.0)
    status = status_of(fraction)
    return replace(
        row,
        status=status,
        points=fraction * row.max_points,
        message=outcome.message,
        hint_id="" if status == "pass" else row.hint_id,
        evidence=dict(outcome.evidence),
    )


def _place(check: Check, lab: Lab) -> tuple[str, str]:
    """Module (inside the lab) and name under which the sandbox finds the probe."""
    module = check.probe.__module__.removeprefix(f"{lab.package}.")
    name = check.probe.__qualname__
    if not name.isidentifier():
        raise TypeError(f"the probe of {check.id!r} must be a function of a module, not {name}")
    return module, name


def _blank(check: Check, lab: Lab) -> CheckRow:
    return CheckRow(
        id=check.id,
        title=check.title,
        kind="code",
        status="fail",
        points=0.0,
        max_points=lab.spec.checks.get(check.id, 0.0),
        sentence=check.sentence,
        hint_id=check.hint,
        depends_on=check.depends_on,
        visibility="hidden" if check.id in lab.spec.hidden else "visible",
        required=check.required,
    )


def _absent(id: str, lab: Lab) -> CheckRow:
    message = f"{lab.id}: lab.yaml lists the check {id!r}, but none is written"
    return CheckRow(id, id, "code", "error", 0.0, lab.spec.checks[id], message)


def _our_fault(row: CheckRow, half: str, error: Exception) -> CheckRow:
    message = f"the check itself failed, not your code ({half}: {type(error).__name__}: {error})"
    return replace(row, status="error", message=message, hint_id="")


def _blocks(row: CheckRow) -> bool:
    return row.status in ("fail", "skip", "error")
