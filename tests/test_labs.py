"""Every lab of the shelf proves itself: its reference, its starter, its checks and its mutants.

A new lab joins by being there; nothing in this file names one.
"""

import hashlib
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from dllab.authoring.mutants import Mutant, load_mutants
from dllab.checks import Check, Outcome, collect, run_here
from dllab.errors import LabError
from dllab.lab.code import import_lab, import_room
from dllab.lab.find import Lab, all_labs
from dllab.lab.project import find_root
from dllab.lab.starter import make_starter, solution_regions
from dllab.lab.todo import open_todos

SEED = 1
LABS = all_labs(find_root(Path(__file__).parent))
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)


def checks_of(lab: Lab) -> dict[str, Check]:
    """All checks of a lab by id, in the order in which they are written: visible, then hidden."""
    import_room(lab)
    modules = [importlib.import_module(f"{lab.package}.{m}") for m in ("checks", "_author.checks")]
    return {check.id: check for module in modules for check in collect(module)}


def code_of(lab: Lab, source: str, folder: Path) -> ModuleType:
    path = folder / "lab.py"
    path.write_text(source, encoding="utf-8")
    return import_lab(lab, path)


def outcome_of(check: Check, code: ModuleType) -> Outcome:
    """What the check finds; whatever learner code raises is a failure, as in the sandbox."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        try:
            return run_here(check, code, SEED)
        except Exception as error:  # noqa: BLE001 - a mutant may raise anything
            return Outcome(0.0, f"{type(error).__name__}: {error}")


def mutants() -> list[tuple[Lab, Mutant]]:
    return [(lab, mutant) for lab in LABS for mutant in load_mutants(lab)]


@pytest.fixture(autouse=True)
def _forget_the_room():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] == "labs":
            del sys.modules[name]


@each_lab
def test_the_reference_passes_every_check(lab, tmp_path):
    code = code_of(lab, lab.solution.read_text(encoding="utf-8"), tmp_path)
    outcomes = {id: outcome_of(check, code) for id, check in checks_of(lab).items()}
    assert {id: o.message for id, o in outcomes.items() if not o.ok} == {}


@each_lab
def test_lab_yaml_lists_every_check_with_its_points(lab):
    checks = checks_of(lab)
    assert dict(lab.spec.checks) == {id: check.points for id, check in checks.items()}
    hidden = [id for id, c in checks.items() if c.judge.__module__.endswith("_author.checks")]
    assert list(lab.spec.hidden) == hidden


@each_lab
def test_points_add_up_to_100(lab):
    points = [*lab.spec.checks.values(), *(c.points for c in lab.spec.criteria)]
    assert sum(points) == 100


@each_lab
def test_ids_are_unique_and_dependencies_come_first(lab):
    manifest = lab.spec.manifest(official=True)
    assert len(set(manifest)) == len(manifest)
    seen: list[str] = []
    for check in checks_of(lab).values():
        assert set(check.depends_on) <= set(seen), check.id
        seen.append(check.id)


@each_lab
def test_the_starter_is_fresh(lab):
    data = lab.code.read_bytes()
    assert data.decode() == make_starter(lab.solution.read_text(encoding="utf-8"))
    assert hashlib.sha256(data).hexdigest() == lab.spec.starter_sha256


@each_lab
def test_the_starter_fails_every_check_or_leaves_it_behind_one_that_fails(lab):
    code = import_lab(lab, lab.code)
    failed: set[str] = set()
    for id, check in checks_of(lab).items():
        if failed.isdisjoint(check.depends_on):
            outcome = outcome_of(check, code)
            assert not outcome.ok, id
            assert outcome.message.startswith("TODO "), f"{id}: {outcome.message}"
        failed.add(id)


@each_lab
def test_every_task_has_three_hints_and_a_check_that_points_at_it(lab):
    tasks = list(solution_regions(lab.solution.read_text(encoding="utf-8")))
    assert tasks == [todo.task for todo in open_todos(lab.code)]
    assert {task: len(lab.spec.hints.get(task, ())) for task in tasks} == dict.fromkeys(tasks, 3)
    assert {check.hint for check in checks_of(lab).values()} == set(tasks)


@each_lab
def test_exports_exist_and_topics_are_named(lab):
    import_lab(lab, lab.solution)
    assert lab.spec.topics


@each_lab
def test_probes_enter_the_sandbox_without_their_judges(lab):
    """A hidden probe lives in probes.py, which must not import the judges beside it."""
    import_room(lab)
    probes = importlib.import_module(f"{lab.package}._author.probes")
    assert f"{lab.package}._author.checks" not in sys.modules
    hidden = [checks_of(lab)[id] for id in lab.spec.hidden]
    assert {check.probe.__module__ for check in hidden} <= {probes.__name__}


@pytest.mark.parametrize(
    ("lab", "mutant"),
    mutants(),
    ids=lambda value: getattr(value, "id", value.name if isinstance(value, Mutant) else None),
)
def test_a_mutant_is_caught_by_the_check_it_names(lab, mutant, tmp_path):
    if mutant.catches in {criterion.id for criterion in lab.spec.criteria}:
        pytest.skip("a criterion catches it: see calibration")
    checks = checks_of(lab)
    code = code_of(lab, mutant.source, tmp_path)
    assert not outcome_of(checks[mutant.catches], code).ok
    for id in checks[mutant.catches].depends_on:
        assert outcome_of(checks[id], code).ok, f"{id} fails first, so {mutant.catches} never runs"


@each_lab
def test_every_check_is_failed_by_a_mutant(lab):
    caught = {mutant.catches for mutant in load_mutants(lab)}
    assert set(lab.spec.checks) <= caught


def test_an_edit_that_does_not_fit_the_solution_is_named(tmp_path):
    mutants_folder = tmp_path / "lab99_toy" / "_author" / "mutants"
    mutants_folder.mkdir(parents=True)
    (mutants_folder.parent / "solution.py").write_text("a = 1\nb = 1\n")
    mutant = mutants_folder / "twice.py"
    mutant.write_text('CATCHES = "a"\nWHY = "It shows."\nEDITS = [("= 1", "= 2")]\n')
    with pytest.raises(LabError, match=r"twice\.py: '= 1' is in the solution 2 times"):
        load_mutants(Lab(tmp_path, tmp_path / "lab99_toy"))
    mutant.write_text('CATCHES = "a"\n')
    with pytest.raises(LabError, match="WHY, EDITS is missing"):
        load_mutants(Lab(tmp_path, tmp_path / "lab99_toy"))
