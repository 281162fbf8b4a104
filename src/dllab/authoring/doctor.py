"""The story of `dllab doctor`: read each lab → run its checks over right and wrong code → train the
reference → ask every rule. Read top to bottom.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from dllab.authoring import rules_formats, rules_page, rules_proof, rules_text, rules_training
from dllab.authoring.content import PARTS, content_of
from dllab.authoring.forks import Done, TaskLimits, run_forked
from dllab.authoring.hostile import try_judges
from dllab.authoring.mutation import sample
from dllab.authoring.proof import CheckFinding, checks_of, examine, import_libraries
from dllab.authoring.proved import Proof
from dllab.authoring.rules import ALL, PROVES, Equivalent, Fault, LabCase, Needs, Rule
from dllab.authoring.rules_text import UNWRITTEN
from dllab.authoring.trial import run_trial
from dllab.checklist.topics import load_checklist
from dllab.errors import LabError
from dllab.lab.checked import load_yaml
from dllab.lab.find import Lab
from dllab.lab.formats import BreakIt
from dllab.lab.mutants import load_mutants, load_variants, plant
from dllab.lab.starter import make_starter, solution_regions, solve

RULES: tuple[Rule, ...] = tuple(
    value
    for module in (rules_text, rules_page, rules_proof, rules_formats, rules_training)
    for value in vars(module).values()
    if isinstance(value, Rule)
)
LOADS = "loads"
DRAWS = 5
MUTANT_DRAWS = 3
MUTANT_CPU_S = 20
WORDS_PER_MINUTE = 200

Say = Callable[[str], None]


@dataclass(frozen=True)
class Diagnosis:
    """One lab: its faults, and the case they were found in (None when it could not be read)."""

    lab: Lab
    faults: tuple[Fault, ...]
    case: LabCase | None = None

    @property
    def sound(self) -> bool:
        """Whether no rule found a fault."""
        return not self.faults

    def proof(self, needs: Sequence[Needs]) -> Proof:
        """The parts of a sound lab that a round with these `needs` has proved whole."""
        if self.case is None or not self.sound:
            return Proof(content={}, cpu_s={})
        proved = [part for part in PARTS if {*PROVES[part]} <= {*needs}]
        return Proof(
            content={part: self.case.content[part] for part in proved},
            cpu_s={part: round(self.case.cpu_s[part]) for part in proved},
        )


def diagnose(
    labs: Sequence[Lab],
    *,
    needs: Sequence[Needs] = ALL,
    jobs: int | None = None,
    say: Say = lambda _: None,
) -> list[Diagnosis]:
    """Prove the rules of each lab that need no more than `needs`.

    The checks of all labs share one pool of `jobs` forks (default: one a core). The trainings come
    after them, one at a time, so that their cost is honest.
    """
    torch.set_num_threads(1)
    opened = [_open(lab, mutate="mutation" in needs) for lab in labs]
    cases = [case for case in opened if isinstance(case, LabCase)]
    if "proof" in needs:
        say(f"reading {len(labs)} labs: done; running their checks")
        _prove(cases, jobs or os.cpu_count() or 1)
    diagnoses = []
    for lab, case in zip(labs, opened, strict=True):
        if isinstance(case, Fault):
            diagnoses.append(Diagnosis(lab, (case,)))
            continue
        if "training" in needs:
            say(f"{lab.id}: training the reference")
            trial = run_trial(lab, source=case.solution, hand_in=True)
            case = replace(case, trial=trial)  # noqa: PLW2901
            case.cpu_s["training"] = trial.cpu_s
        diagnoses.append(Diagnosis(lab, tuple(_ask(case, needs)), case))
    return diagnoses


def _open(lab: Lab, *, mutate: bool) -> LabCase | Fault:
    """Read all files of a lab; what cannot be read is the one fault of the rule `loads`."""
    if not lab.solution.is_file():
        return Fault(LOADS, "_author/solution.py is missing", "write the reference first")
    try:
        solution = lab.solution.read_text(encoding="utf-8")
        given = lab.folder / "given.py"
        for code in (solution, given.read_text(encoding="utf-8") if given.is_file() else ""):
            import_libraries(code)
        tests = {one.cases for one in lab.spec.formats.values() if isinstance(one, BreakIt)}
        return LabCase(
            lab=lab,
            solution=solution,
            starter=make_starter(solution, str(lab.solution)),
            checks=checks_of(lab),
            mutants=tuple(load_mutants(lab)),
            equivalent=_equivalent(lab),
            checklist=load_checklist(lab.root),
            content={part: content_of(lab, part) for part in PARTS},
            generated=tuple(sample(solution, without=tests)) if mutate else (),
        )
    except LabError as error:
        return Fault(LOADS, error.what, error.hint)
    except Exception as error:  # noqa: BLE001 - an author's file may raise anything when imported
        return Fault(LOADS, f"{type(error).__name__}: {error}", "mend the file that it names")


def _equivalent(lab: Lab) -> tuple[Equivalent, ...]:
    path = lab.folder / "_author" / "equivalent.yaml"
    if not path.is_file():
        return ()
    try:
        return tuple(Equivalent(**entry) for entry in load_yaml(path) or ())
    except TypeError as error:
        raise LabError(f"{path}: {error}", "an entry has before, after and reason") from None


def _prove(cases: Sequence[LabCase], jobs: int) -> None:
    """Run every starter, reference and mutant, and file what was found with its case."""
    plan = [(case, *job) for case in cases for job in _jobs(case)]
    memory = max((case.lab.spec.budgets.memory_mb for case in cases), default=4096)
    limits = TaskLimits(wall_s=120, cpu_s=MUTANT_CPU_S, memory_mb=memory)
    for done in run_forked([task for _, task, _, _ in plan], jobs=jobs, limits=limits):
        case, _, ids, store = plan[done.key]
        store(_findings(done, ids))
        case.cpu_s["checks"] += done.cpu_s


ForkedJob = tuple[
    Callable[[], list[CheckFinding]], Sequence[str], Callable[[list[CheckFinding]], None]
]


def _jobs(case: LabCase) -> Iterator[ForkedJob]:
    """What to run, the checks that it runs, and where the findings go."""
    every = list(case.checks)
    lab = case.lab
    yield partial(try_judges, lab), every, case.of_judges.extend
    yield partial(examine, lab, case.starter), every, case.of_starter.extend
    for seed in range(1, DRAWS + 1):
        task = partial(examine, lab, case.solution, seed=1000 * seed)
        yield task, every, case.of_reference.append
    for hinted, source in _hinted(case):
        ids = [id for id, check in case.checks.items() if check.hint == hinted]
        yield partial(examine, lab, source, ids), ids, partial(case.of_hint.__setitem__, hinted)
    for mutant in case.mutants:
        if mutant.catches in case.checks:
            ids = [mutant.catches, *case.checks[mutant.catches].depends_on]
            source = plant(mutant, case.solution)
            task = partial(examine, lab, source, ids, draws=MUTANT_DRAWS)
            yield task, ids[:1], partial(case.of_mutant.__setitem__, mutant.name)
        elif mutant.catches in lab.spec.formats:
            visible = list(lab.spec.visible)
            task = partial(examine, lab, plant(mutant, case.solution), visible)
            yield task, visible[:1], partial(case.of_mutant.__setitem__, mutant.name)
    for variant in load_variants(lab):
        task = partial(examine, lab, plant(variant, case.solution))
        yield task, every, partial(case.of_variant.__setitem__, variant.name)
    for number, generated in enumerate(case.generated):
        task = partial(examine, lab, generated.source, stop_at_failure=True)
        yield task, every[:1], partial(case.of_generated.__setitem__, number)


def _hinted(case: LabCase) -> Iterator[tuple[str, str]]:
    """Each task whose last hint is written, with the reference after that was pasted into it."""
    for task in solution_regions(case.solution):
        steps = case.lab.spec.hints.get(task, ())
        if steps and UNWRITTEN not in steps[-1]:
            yield task, solve(case.solution, task, steps[-1], "lab.yaml")


def _findings(done: Done[list[CheckFinding]], ids: Sequence[str]) -> list[CheckFinding]:
    """What was found; code that hung or died fails the checks that it was run for."""
    if done.value is not None:
        return done.value
    return [CheckFinding(id, passed=False, message=f"it ended early: {done.failure}") for id in ids]


def _ask(case: LabCase, needs: Sequence[Needs]) -> Iterator[Fault]:
    for rule in RULES:
        if rule.needs in needs:
            try:
                yield from rule.faults(case)
            except Exception as error:  # noqa: BLE001 - a file of a form that no rule foresaw
                told = f"{type(error).__name__}: {error}"
                yield Fault(rule.id, f"it cannot be told: {told}", "see docs/authors.md")


def reading_minutes(lab: Lab) -> int:
    """Time to read the lab's page, at 200 words a minute."""
    path = lab.folder / "README.md"
    words = len(path.read_text(encoding="utf-8").split()) if path.is_file() else 0
    return max(1, round(words / WORDS_PER_MINUTE))


def code_lines(lab: Lab) -> int:
    """Length of the file that a learner edits."""
    return len(lab.code.read_text(encoding="utf-8").splitlines()) if lab.code.is_file() else 0
