"""What is proved stays proved until it changes: which edits count, and the record of it."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from authoring_labs import REPO, make_root, write_kind

from dllab.authoring import content
from dllab.authoring.content import PARTS, code_only, content_of
from dllab.authoring.proved import Proof, needs_of, record, unproved
from dllab.authoring.rules import ALL
from dllab.cli import main
from dllab.data.catalog import find
from dllab.errors import LabError
from dllab.lab.find import Lab, find_lab


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    root = make_root(tmp_path / "project")
    (root / "data").symlink_to(REPO / "data")
    monkeypatch.chdir(root)
    return write_kind(root, "control")


def proof_of(lab: Lab) -> Proof:
    """As the doctor makes it of a lab that is sound."""
    return Proof(
        content={part: content_of(lab, part) for part in PARTS}, cpu_s=dict.fromkeys(PARTS, 7)
    )


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text() if path.exists() else ""
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new))


# What is edited, and the parts that are to be proved anew.
EDITS = [
    ("README.md", "# control", "# Control", ()),
    ("lab.yaml", "title: A cart", "title: Carts", ()),
    ("lab.yaml", "title: A cart", "minutes: {act: 20}\ntitle: A cart", ()),
    ("_author/answers.py", "", "def parameters(): return 8", ()),
    ("lab.yaml", "act: [think,", "act: [ponder,", ("checks",)),
    ("lab.yaml", "floor:", "strong: 1, floor:", ("checks", "training")),
    ("lab.py", "import torch\n", "import torch  # mine\n", ()),
    ("checks.py", "import torch", "# why\nimport torch", ("checks",)),
    (
        "_author/mutants.py",
        "import",
        "# why\nfrom dllab.checks.tools import fit\nimport",
        ("checks",),
    ),
    ("_author/solution.py", "import torch\n", "import torch  # why\n", ("checks",)),
    ("_author/solution.py", "import torch\n", "import torch\nA = 1\n", ("checks", "training")),
    ("conf/config.yaml", "lr: 0.05", "lr: 0.04", ("training",)),
]


@pytest.mark.parametrize(("file", "old", "new", "stale"), EDITS, ids=lambda value: str(value)[:20])
def test_an_edit_asks_for_the_parts_that_it_may_break(lab, file, old, new, stale):
    record(lab, proof_of(lab))
    assert unproved(lab) == ()
    edit(lab.folder / file, old, new)
    assert unproved(Lab(lab.root, lab.folder)) == stale


def test_a_play_of_the_labs_own_measures_its_training(lab):
    record(lab, proof_of(lab))
    edit(lab.folder / "checks.py", "rand(500, 2", "rand(501, 2")
    assert unproved(lab) == PARTS


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A copy of dllab's source that the hashes are taken of."""
    copy = tmp_path / "dllab"
    shutil.copytree(REPO / "src/dllab", copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(content.dllab, "__file__", str(copy / "__init__.py"))
    yield copy
    content._judged_by.cache_clear()


JUDGES = [
    ("checks/outcome.py", "\nA = 1\n", ("checks",)),
    ("checks/outcome.py", "\n# why\n", ()),
    ("checks/tools.py", "\nA = 1\n", ()),  # this lab uses none of them
    ("checks/mutants.py", "\nA = 1\n", ("checks",)),
    ("authoring/mutation.py", "\nA = 1\n", ("checks",)),
    ("authoring/rules_text.py", "\nA = 1\n", ()),
    ("sandbox/worker.py", "\nA = 1\n", ("training",)),
    ("training/arm.py", "\nA = 1\n", ()),
]


@pytest.mark.parametrize(("file", "more", "stale"), JUDGES, ids=lambda value: str(value)[:22])
def test_what_judges_counts_but_not_its_words(lab, package, file, more, stale):
    content._judged_by.cache_clear()
    record(lab, proof_of(lab))
    path = package / file
    path.write_text(path.read_text() + more)
    content._judged_by.cache_clear()
    assert unproved(lab) == stale


def test_another_library_asks_for_all(lab, monkeypatch):
    record(lab, proof_of(lab))
    monkeypatch.setattr(content, "version", lambda _name: "99.1.0")
    assert unproved(lab) == PARTS


def test_other_data_asks_for_a_training(monkeypatch):
    monkeypatch.chdir(REPO)
    lab = find_lab(REPO, "01")
    before = {part: content_of(lab, part) for part in PARTS}
    of_another = find("mnist")
    monkeypatch.setattr(content, "find", lambda _name, _root: of_another)
    assert [part for part in PARTS if content_of(lab, part) != before[part]] == ["training"]


def test_a_hash_is_the_same_on_every_python():
    """This one was taken on 3.11; the tests run on later ones too."""
    text = "class A:\n    'Words.'\n    def f(self, x=1, *y): return f'{x!r:>{y}}'  # why\n"
    assert hashlib.sha256(code_only(text).encode()).hexdigest()[:12] == "49accff0117b"


def test_the_record_has_a_line_for_each_lab_and_takes_both_of_two_branches(lab):
    other = write_kind(lab.root, "code_only", "91")
    path = record(lab, proof_of(lab))
    assert path == lab.root / "labs/proved.json"
    record(other, proof_of(other))
    first, mine, theirs, *end = path.read_text().splitlines()
    assert (first, end) == ("{", ['"schema": "dllab.proved/1"', "}"])
    assert mine.startswith('"lab90_control": {"content": {"checks": "')
    assert theirs.startswith('"lab91_code_only": ')
    # as git's union merge leaves it
    stale = mine.replace(content_of(lab, "checks"), "0" * 12)
    path.write_text("\n".join([first, mine, stale, theirs, *end]) + "\n")
    assert unproved(lab) == unproved(other) == ()
    record(lab, Proof(content={"training": content_of(lab, "training")}, cpu_s={"training": 1}))
    assert unproved(lab) == ()
    assert len(path.read_text().splitlines()) == 5


def test_a_lab_that_is_gone_leaves_the_record(lab):
    other = write_kind(lab.root, "code_only", "91")
    for one in (lab, other):
        record(one, proof_of(one))
    other.folder.rename(lab.root / "away")
    assert "lab91" not in record(lab, proof_of(lab)).read_text()


@pytest.mark.parametrize("text", ["{", '{"lab90_control": 1}', '{"lab90_control": {"a": {}}}'])
def test_a_damaged_record_is_named_with_the_way_out(lab, text):
    (lab.root / "labs/proved.json").write_text(text)
    with pytest.raises(LabError, match=r"labs/proved\.json cannot be read") as error:
        unproved(lab)
    assert "git checkout" in error.value.hint


@pytest.mark.in_turns
def test_the_doctor_records_what_it_proves_and_next_time_runs_what_is_stale(lab, capsys):
    """Of a sound lab alone, and no more than was run."""
    lab = write_kind(lab.root, "code_only", "91")
    assert main(["doctor", "91", "--fast"]) == 0
    assert unproved(lab) == PARTS
    assert needs_of(lab) == ALL
    assert main(["doctor", "91"]) == 0
    assert "lab91_code_only is proved (checks " in capsys.readouterr().err
    assert needs_of(lab) == ("text",)
    edit(lab.folder / "lab.yaml", "topics: [tiny]", "topics: []")
    edit(lab.folder / "checks.py", "import torch", "# why\nimport torch")
    assert needs_of(lab) == ("text", "proof", "mutation")
    assert main(["doctor", "91", "--stale"]) == 1
    assert unproved(lab) == ("checks",)
    edit(lab.folder / "lab.yaml", "topics: []", "topics: [tiny]")
    assert main(["doctor", "91", "--stale"]) == 0
    assert "proved (checks " in (said := capsys.readouterr().err)
    assert "training" not in said
    assert unproved(lab) == ()
