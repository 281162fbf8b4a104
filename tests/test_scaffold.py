"""`dllab new`: a lab of each kind, sound but for its texts, that breaks nothing of the project."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from sample import of_this_run

from dllab.authoring.cost import cost_of
from dllab.authoring.doctor import diagnose
from dllab.authoring.generated import project_pages
from dllab.authoring.notebook import make_notebook
from dllab.authoring.rules import ALL, FAST
from dllab.authoring.rules_text import unwritten
from dllab.authoring.scaffold import LONGEST, scaffold
from dllab.cli.main import main
from dllab.cli.new import KINDS
from dllab.errors import LabError
from dllab.lab.find import Lab, finished_labs

REPO = Path(__file__).resolve().parent.parent
NUMBERS = {kind: str(91 + place) for place, kind in enumerate(KINDS)}
BIN = Path(sys.executable).parent
TOOLS = {
    "style": ["ruff", "check", "labs"],
    "format": ["ruff", "format", "--check", "labs"],
    "layers": ["lint-imports"],
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a lab of each kind beside its own, as `dllab new` leaves them."""
    root = tmp_path_factory.mktemp("project")
    (REPO / ".cache").mkdir(exist_ok=True)
    shared = ("src", "configs", "data", "docs", "README.md", "pyproject.toml", ".cache")
    for path in (REPO / name for name in shared):
        (root / path.name).symlink_to(path)
    (root / "labs").mkdir()
    for path in (REPO / "labs").iterdir():
        (root / "labs" / path.name).symlink_to(path)
    for kind, number in NUMBERS.items():
        name = f"a-name-as-long-as-it-may-be-{kind[:2]}".ljust(LONGEST, "x")
        scaffold(root, number, name, kind=kind)
    return root


def labs_of(root: Path) -> list[Lab]:
    return [Lab(root, path) for path in sorted((root / "labs").glob("lab9*"))]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_lab_of_each_kind_follows_the_house_rules(shelf: Path, tool: str) -> None:
    program, *arguments = TOOLS[tool]
    done = subprocess.run(
        [BIN / program, *arguments],
        cwd=shelf,
        env={**os.environ, "PYTHONPATH": f"{shelf / 'src'}:{shelf}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.in_turns
def test_a_lab_of_each_kind_is_sound_but_for_its_texts(shelf: Path) -> None:
    """What tests/shelf asks of every lab, and that its checks, hints and mutants work."""
    assert len(labs_of(shelf)) == len(KINDS)
    for found in diagnose(labs_of(shelf), needs=FAST, jobs=2):
        assert [f"{found.lab.id}: {fault.message}" for fault in found.faults] == []
        assert len(list(unwritten(found.lab))) > 8
        assert cost_of(found.lab).files <= 16


def test_a_lab_of_each_kind_is_listed_nowhere(shelf: Path) -> None:
    assert all(page.is_fresh for page in project_pages(shelf))
    assert not set(labs_of(shelf)) & set(finished_labs(shelf))


def test_a_lab_of_each_kind_makes_a_notebook(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shelf)
    for lab in labs_of(shelf):
        notebook = nbformat.reads(make_notebook(lab), as_version=4)
        nbformat.validate(notebook)
        code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
        assert all(f'desk.check("{task}")' in code for task in lab.spec.hints)


@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.parametrize("kind", of_this_run([kind for kind in KINDS if kind != "train"], 1))
def test_a_lab_of_a_kind_is_proved_whole(shelf: Path, kind: str) -> None:
    """Its generated mutants, a training and an official grade, too. The kinds take turns; that of
    `train` is what the guide makes, in test_authoring.py.
    """
    [lab] = [lab for lab in labs_of(shelf) if lab.number == NUMBERS[kind]]
    [found] = diagnose([lab], needs=ALL, jobs=2)
    assert [fault.message for fault in found.faults] == []


# --- names, numbers, what is there already --------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "name", "said"),
    [
        ("0", "x", "'0' is not a lab number"),
        ("100", "x", "'100' is not a lab number"),
        ("12", "A-b", "'A-b' is not a name of a lab"),
        ("12", "-b", "'-b' is not a name of a lab"),
        ("12", "x" * (LONGEST + 1), f"at most {LONGEST}"),
        ("01", "x", "the number 01 is taken"),
    ],
)
def test_a_bad_name_is_refused(clone: Path, number: str, name: str, said: str) -> None:
    with pytest.raises(LabError) as told:
        scaffold(clone, number, name, kind="code")
    assert said in f"{told.value.what} {told.value.hint}"


def test_the_command_takes_dashes_and_a_kind(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "91", "data-audit", "--kind", "code"]) == 0
    assert "lab91_data_audit" in capsys.readouterr().out
    assert Lab(clone, clone / "labs/lab91_data_audit").spec.title == "Data audit"
    with pytest.raises(SystemExit, match="2"):
        main(["new", "92", "other", "--kind", "poem"])
    assert "invalid choice: 'poem'" in capsys.readouterr().err
    assert not list(clone.glob("labs/lab92*"))


def test_a_folder_that_is_there_is_left_as_it_is(
    clone: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also one that is not a lab, in a folder of labs that the project does not know."""
    course = tmp_path_factory.mktemp("course")
    (course / "lab91_mine").mkdir()
    (course / "lab91_mine" / "notes.txt").write_text("mine")
    assert main(["new", "91", "mine", "--in", str(course)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in (course / "lab91_mine").iterdir()] == ["notes.txt"]


def test_what_fails_half_way_leaves_nothing(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_lab: Lab) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dllab.authoring.scaffold.strip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scaffold(clone, "91", "half", kind="code")
    assert not list(clone.glob("labs/lab91*"))


def test_help_says_what_each_kind_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["new", "--help"])
    told = capsys.readouterr().out
    assert all(f"\n  {kind} " in told for kind in KINDS)
