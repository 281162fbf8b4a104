"""Generated tables of pages: told from the reference, its checks and lab.yaml, and kept fresh."""

from pathlib import Path

import pytest
from authoring_labs import make_root, write_kind

from dllab.authoring.generated import lab_page
from dllab.authoring.tables import labs_table, mistakes_table, rubric_table, task_table
from dllab.cli.main import main
from dllab.errors import LabError
from dllab.lab.find import Lab, all_labs

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = make_root(tmp_path)
    monkeypatch.chdir(made)
    return made


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_every_table_of_the_repository_is_fresh(monkeypatch, capsys):
    """`dllab strip` writes them."""
    monkeypatch.chdir(REPO)
    assert main(["strip", "--check"]) == 0, capsys.readouterr().out


def test_a_task_is_told_with_what_it_reads_and_what_checks_it(root):
    lab = write_kind(root, "control")
    edit(lab.folder / "lab.yaml", "cost: 20}", "cost: 20}\nhidden: [cost]")
    _, _, act, cost = task_table(Lab(root, lab.folder)).splitlines()
    assert act == "| `act` | `observations` | a push for each cart, float32 [B] | `act` | 30 |"
    assert cost.startswith("| `cost` | `state_B2` | the mean over steps and carts of place² + ")
    assert cost.endswith(", [] | `cost` (hidden) | 20 |")


def test_a_function_without_arguments_takes_nothing(root):
    """Not `self`, which is what a method without other arguments reads."""
    table = task_table(write_kind(root, "break_it"))
    assert "| `cases` |  | at most four cases" in table


def test_the_rubric_adds_up(root):
    lab = write_kind(root, "control")
    assert rubric_table(lab).splitlines()[2:] == [
        "| Rest in the middle | `rest` ≥ 0.87 |  | 0.5 | 50 |",
        "| 2 visible checks | each passes |  |  | 50 |",
        "| **all** | 70 % pass |  |  | **100** |",
    ]


def test_labs_are_linked_from_where_the_page_is(root):
    write_kind(root, "control")
    table = labs_table(all_labs(root), root / "docs" / "page.md")
    assert "| [90 control](../labs/lab90_control/README.md) |" in table


def test_wrong_versions_are_counted_by_what_they_are_red_in(root):
    lab = write_kind(root, "control")
    mutants = lab.folder / "_author" / "mutants.py"
    edit(mutants, 'catches="act",', 'catches="act", says="between -1 and 1",')
    edit(lab.folder / "lab.yaml", "cost: 20}", "cost: 20}\nhidden: [cost]")
    [row] = mistakes_table(all_labs(root), root / "docs" / "page.md").splitlines()[2:]
    assert row == "| [90 control](../labs/lab90_control/README.md) | 3 | 1 | 1 | 1 | 1 |"


def test_what_is_stale_is_named_and_written(root, capsys):
    lab = write_kind(root, "control")
    page = root / "README.md"
    page.write_text("# Labs\n\n<!-- generated: labs -->\n<!-- end -->\nbelow\n")
    assert main(["strip", "--check"]) == 1
    assert "README.md: stale" in capsys.readouterr().out
    assert main(["strip"]) == 0
    assert "lab90_control/README.md" in page.read_text()
    assert page.read_text().endswith("<!-- end -->\nbelow\n")
    edit(lab.folder / "lab.yaml", "cost: 20", "cost: 25")
    assert main(["strip", "90", "--check"]) == 1
    assert "lab90_control: README.md stale" in capsys.readouterr().out
    assert main(["strip", "90"]) == 0
    assert main(["strip", "--check"]) == 0
    assert "| `cost` | 25 |" in (lab.folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("<!-- generated: tusks -->\n<!-- end -->", "nothing generates 'tusks'"),
        ("<!-- generated: tasks -->\n| a |\n", "never closed"),
        ("<!-- generated: tasks -->\n\n<!-- generated: rubric -->\n<!-- end -->", "never closed"),
    ],
)
def test_a_wrong_marker_is_named(root, part, said):
    lab = write_kind(root, "control")
    (lab.folder / "README.md").write_text(f"# control\n\n{part}\n")
    with pytest.raises(LabError, match=said):
        lab_page(lab).renew()
