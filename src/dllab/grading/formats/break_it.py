"""break-it: a learner's cases, as data, run on right variants of the lab and on hidden mutants.

Learner code runs once, to hand its cases over. After that only the author's code runs, in a sandbox
all the same: what a case may do to it (hang it, fill the memory) is a stranger's doing.
"""

from collections.abc import Sequence
from dataclasses import replace

from dllab.checks import Arrays, Case, Driver, Outcome, close, every, validate
from dllab.checks.arrays import as_arrays
from dllab.checks.mutants import Mutant, Variant
from dllab.errors import InfraError
from dllab.grading.formats.sheets import SheetError
from dllab.grading.formats.work import LostError, Work
from dllab.grading.seeds import derive
from dllab.lab.authored import find_named
from dllab.lab.find import Lab
from dllab.lab.formats import BreakIt
from dllab.lab.mutants import load_mutants, load_variants, plant
from dllab.sandbox.limits import Limits
from dllab.sandbox.reply import Reply
from dllab.sandbox.session import Session

MAX_NUMBERS = 1 << 16  # in all cases together
CASE_S = 10.0


def look_over(work: Work, criterion: BreakIt) -> Outcome:
    """Whether the cases are in form and hold on the learner's own code. It has no mutants."""
    driver = find_driver(work.lab, criterion)
    cases = collect(work, criterion, driver)
    failed = first_failure(work.session, driver, cases, work.seed)
    if failed:
        return Outcome(0.0, f"your own code fails {failed}")
    return Outcome(1.0, f"your code passes your {len(cases)} cases")


def judge(work: Work, criterion: BreakIt) -> Outcome:
    """The share of the criterion's mutants that the cases find.

    A case that a right variant fails is wrong, or asks for more than the task says: then nothing
    counts. A mutant that raises, hangs or dies on a case is found by it.
    """
    lab, driver = work.lab, find_driver(work.lab, criterion)
    cases = collect(work, criterion, driver)
    mutants = [mutant for mutant in load_mutants(lab) if mutant.catches == criterion.id]
    if not mutants:
        raise InfraError(f"criterion {criterion.id}: no mutant names it", "see docs/authors.md")
    solution = lab.solution.read_text(encoding="utf-8")
    limits = replace(Limits.of(lab.spec.budgets), request_s=CASE_S)
    with Session(lab, lab.solution, work.backend, limits) as session:

        def fails(variant: Mutant | Variant | None) -> str:
            _put(session, plant(variant, solution) if variant else solution)
            return first_failure(session, driver, cases, work.seed)

        for variant in (None, *load_variants(lab)):
            if failed := fails(variant):
                name = variant.name if variant else "the reference"
                told = f"a right implementation fails your {failed.partition(':')[0]}"
                return Outcome(0.0, told, {"variant": name, "why": failed})
        found = {mutant.name: fails(mutant) != "" for mutant in mutants}
    count = sum(found.values())
    told = f"your cases find {count} of {len(found)} hidden mistakes"
    return Outcome(count / len(found), told, {"found": found})


def find_driver(lab: Lab, criterion: BreakIt) -> Driver:
    """The driver of checks.py that the criterion names; InfraError where there is none."""
    return find_named(lab, criterion.id, criterion.driver, Driver)


def collect(work: Work, criterion: BreakIt, driver: Driver) -> list[Case]:
    """What the learner's function returns. Raises LostError, or SheetError for unfit cases."""
    reply = work.session.cases(criterion.cases)
    if reply.failure:
        raise LostError(reply, reply.failure)
    return read_cases(reply.arrays, criterion, driver)


def read_cases(arrays: Arrays, criterion: BreakIt, driver: Driver) -> list[Case]:
    """The cases in what a sandbox handed over; SheetError for the first that is unfit."""
    if sum(value.numel() for value in arrays.values()) > MAX_NUMBERS:
        raise SheetError(f"the cases hold more than {MAX_NUMBERS:,} numbers: make them smaller")
    numbers = {name.partition("/")[0] for name in arrays}
    if not 1 <= len(numbers) <= criterion.most:
        raise SheetError(
            f"{criterion.cases}: asked are 1 to {criterion.most} cases, not {len(numbers)}"
        )
    cases = [_read(arrays, str(number)) for number in range(1, len(numbers) + 1)]
    for number, case in enumerate(cases, start=1):
        if wrong := _unfit(case, driver):
            raise SheetError(f"case {number}: {wrong}")
    return cases


def first_failure(session: Session, driver: Driver, cases: Sequence[Case], seed: int) -> str:
    """The first case that the code in the session fails, with the reason, or the empty string."""
    for number, case in enumerate(cases, start=1):
        reply = session.probe(
            "checks", driver.probe.__qualname__, case.given, derive(seed, "case", number)
        )
        if wrong := _wrong(case, driver, reply):
            return f"case {number}: {wrong}"
    return ""


def _wrong(case: Case, driver: Driver, reply: Reply) -> str:
    if reply.failure:
        return reply.failure.message
    if mismatch := validate(reply.arrays, driver.returns):
        return mismatch
    expected = as_arrays(case.expected)
    pairs = {name: (reply.arrays[name], right) for name, right in expected.items()}
    for name, (got, right) in pairs.items():
        if got.shape != right.shape:
            return f"{name}: expected shape {list(right.shape)}, got {list(got.shape)}"
    compared = (
        close(got, right, atol=case.atol, rtol=case.rtol, what=name)
        for name, (got, right) in pairs.items()
    )
    return every(*compared).message


def _put(session: Session, source: str) -> None:
    """Let a variant be what the session's probes call."""
    if failure := session.swap(source).failure:
        raise InfraError(f"a variant does not import: {failure.message}", "see _author/mutants.py")


def _unfit(case: Case, driver: Driver) -> str:
    for what, arrays, form in (
        ("given", case.given, driver.given),
        ("expected", as_arrays(case.expected), driver.returns),
    ):
        if wrong := validate(arrays, form):
            return f"{what}: {wrong}"
    if not (0 <= case.atol < float("inf") and 0 <= case.rtol < 1):
        return "atol must be a number from 0 on, and rtol one from 0 to below 1"
    return ""


def _read(arrays: Arrays, number: str) -> Case:
    """One case of an answer that may be forged: whatever is not as it should be is unfit."""

    def part(name: str) -> Arrays:
        start = f"{number}/{name}/"
        return {key.removeprefix(start): v for key, v in arrays.items() if key.startswith(start)}

    tolerance = [arrays.get(f"{number}/{name}") for name in ("atol", "rtol")]
    atol, rtol = (float(v) if v is not None and v.numel() == 1 else -1.0 for v in tolerance)
    return Case(part("given"), part("expected"), atol, rtol)
