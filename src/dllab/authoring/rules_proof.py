"""What must hold of a lab's code, told by running its checks over right and wrong solutions."""

from collections.abc import Iterator

from dllab.authoring.rules import LabCase, rule
from dllab.lab.starter import tasks_to_mend
from dllab.lab.todo import PREFIX

KILL_RATE = 0.95
EQUIVALENT_SHARE = 0.10


@rule(
    "starter-fails",
    "make the check depend on what the starter cannot do yet, or call the task's code first",
    needs="proof",
)
def starter_fails(case: LabCase) -> Iterator[str]:
    """In the starter every check fails with its TODO, or is skipped behind one that fails.

    Where the starter holds wrong code to mend, a check fails with what it finds there.
    """
    behind: set[str] = set()
    to_mend = tasks_to_mend(case.solution)
    for finding in case.of_starter:
        check = case.checks[finding.check]
        todo, skipped = check.hint, behind & set(check.depends_on)
        if finding.passed and not skipped:
            yield f"{finding.check} passes in the untouched starter"
        elif not (finding.message.startswith(PREFIX) or skipped or todo in to_mend):
            yield f"{finding.check} fails in the starter, but not at a TODO: {finding.message}"
        behind.add(finding.check)


@rule("reference", "mend the reference or the check; both are yours", needs="proof")
def reference(case: LabCase) -> Iterator[str]:
    """The reference passes every check, whatever values are drawn."""
    faults = [f for draw in case.of_reference for f in draw if not f.passed]
    for id in dict.fromkeys(finding.check for finding in faults):
        of_check = [finding for finding in faults if finding.check == id]
        draws = f"{len(of_check)} of {len(case.of_reference)} draws"
        yield f"the reference fails {id} on {draws}: {of_check[0].message}"


@rule(
    "hint-code",
    "let the last hint be code that can be pasted for the TODO, in other words than the solution",
    needs="proof",
)
def hint_code(case: LabCase) -> Iterator[str]:
    """The last hint of a task is code that passes the task's checks."""
    for task, findings in case.of_hint.items():
        for finding in findings:
            if not finding.passed:
                yield f"the last hint of {task}, pasted, fails {finding.check}: {finding.message}"


@rule(
    "judges", "let `given` and the judge cope with any array of the declared shape", needs="proof"
)
def judges(case: LabCase) -> Iterator[str]:
    """Judges find fault with wrong code and mad arrays, they do not break on them."""
    every = [*case.of_starter, *(f for draw in case.of_reference for f in draw)]
    every += [f for findings in case.of_mutant.values() for f in findings]
    every += [f for findings in case.of_generated.values() for f in findings]
    unsound = [finding for finding in every if not finding.sound]
    broken = {finding.check: finding for finding in (*case.of_judges, *unsound)}
    for finding in broken.values():
        yield f"{finding.check} breaks: {finding.message}"


@rule(
    "mutants", "strengthen the check, or let `catches` name the one that catches it", needs="proof"
)
def mutants(case: LabCase) -> Iterator[str]:
    """Every mutant is caught by the check that it names, whatever values are drawn, and by none
    which that depends on.
    """
    criteria = set(case.lab.spec.criteria)
    for mutant in case.mutants:
        if mutant.catches in criteria:
            continue
        if mutant.catches not in case.checks:
            yield f"{mutant.name} names {mutant.catches!r}, which is not a check"
            continue
        failed = dict.fromkeys(f.check for f in case.of_mutant[mutant.name] if not f.passed)
        if not case.is_caught(mutant):
            how = "not on every draw" if mutant.catches in failed else "not"
            yield f"{mutant.name} is {how} caught by {mutant.catches}: {mutant.why}"
        for id in [id for id in failed if id != mutant.catches]:
            yield f"{mutant.name} fails {id} first, so {mutant.catches} never runs"


@rule(
    "says",
    "let the check's `mistakes` name it, or mend `says` in _author/mutants.py",
    needs="proof",
)
def says(case: LabCase) -> Iterator[str]:
    """A caught mutant's message holds the words that the mutant says."""
    for mutant in case.mutants:
        for told in case.of_mutant.get(mutant.name, []):
            if told.check == mutant.catches and mutant.says not in told.message:
                yield f"{mutant.name}: {told.check} does not say {mutant.says!r}: {told.message}"


@rule("every-check", "plant the mistake that the check is there for, in _author/mutants.py")
def every_check(case: LabCase) -> Iterator[str]:
    """Every check is failed by at least one mutant."""
    caught = {mutant.catches for mutant in case.mutants}
    for id in case.checks:
        if id not in caught:
            yield f"no mutant is caught by {id}"


@rule(
    "kill-rate",
    "strengthen a check; or, if the change is not a mistake, add it to _author/equivalent.yaml",
    needs="mutation",
)
def kill_rate(case: LabCase) -> Iterator[str]:
    """Of the generated mutants, those called equivalent aside, 95 % are caught.

    They are sixty, or all that the code allows.
    """
    loose = [mutant for mutant in case.survivors if not case.is_called_equivalent(mutant)]
    serious = len(case.generated) - (len(case.survivors) - len(loose))
    if not serious:
        yield "no change of the solution can be generated that would be a mistake"
        return
    rate = 1 - len(loose) / serious
    if rate < KILL_RATE:
        yield f"{rate:.1%} of {serious} generated mutants are caught, {KILL_RATE:.0%} are wanted"
        for mutant in loose:
            yield f"survived: {mutant.name}"


@rule("equivalent", "correct or remove the entry in _author/equivalent.yaml", needs="mutation")
def equivalent(case: LabCase) -> Iterator[str]:
    """What is called equivalent survives, has a reason, and is at most a tenth of all."""
    survivors = {(mutant.before, mutant.after) for mutant in case.survivors}
    for entry in case.equivalent:
        shown = f"`{entry.before}` → `{entry.after}`"
        if not entry.reason.strip():
            yield f"no reason is given for {shown}"
        if (entry.before, entry.after) not in survivors:
            yield f"no surviving mutant is {shown}"
    called = sum(map(case.is_called_equivalent, case.survivors))
    if called > EQUIVALENT_SHARE * len(case.generated):
        yield f"{called} of {len(case.generated)} mutants are called equivalent"
