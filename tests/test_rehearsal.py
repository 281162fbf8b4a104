"""`dllab submit` grades once as the instructor's machine will, and names what is only at home."""

import json
from pathlib import Path

import pytest
import yaml
from grading_lab import CHECKS, make_desk
from official_lab import declared, unzipped, zipped

from dllab.cli import main
from dllab.errors import Ungradable
from dllab.lab.find import find_lab
from dllab.rundir.run import RunFolder, write_json
from dllab.submission.intake import take_in

LAB_YAML = {
    "title": "Tiny",
    "summary": "A lab of functions.",
    "level": "beginner",
    "topics": [],
    "exports": ["double"],
    "checks": {"double": 2, "twice": 3},
    "pass_score": 0.7,
    "starter_sha256": "x",
}
HONEST = "import torch\n\n\ndef double(x):\n    return 2 * x\n"


@pytest.fixture
def root(tmp_path: Path, one_wall: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_desk(tmp_path)
    folder = tmp_path / "labs" / "lab90_tiny"
    (folder / "lab.yaml").write_text(yaml.safe_dump(LAB_YAML))
    (folder / "starter.py").write_text("# TODO double\n")
    assert "double_probe" in CHECKS
    (tmp_path / "constraints.txt").write_text("torch==2\nnumpy==2\nPyYAML==6\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def submit(root: Path, code: str, *more: str) -> int:
    lab = find_lab(root, "90")
    lab.code.write_text(code)
    run = RunFolder.create(root, lab.id)
    run.code.write_text(code)
    run.take_files(lab)
    run.config.write_text(yaml.safe_dump({"lab": lab.id, "impl": "mine", "arms": {}}))
    write_json(run.card, {"impl": "mine", "status": "finished"})
    return main(["submit", run.id, "-o", "mine.zip", *more])


@pytest.mark.in_turns
@pytest.mark.parametrize(
    ("code", "culprit"),
    [
        ("from helper import f\n", "lab.py:1 imports helper, a file of your own"),
        ("from labs.lab90_tiny.helper import f\n", "lab.py:1 imports helper, a file of your own"),
        ("from .helper import f\n", "lab.py:1 imports helper, a file of your own"),
        ("import os, pytest\n", "imports pytest, which is not among the packages"),
        ("from yaml import nothing\n", "ImportError: cannot import name 'nothing'"),
        ("WORDS = open('words.txt').read()\n", "No such file or directory: 'words.txt'"),
        (
            "def double(x):\n    open('@ROOT@/words.txt').read()\n    return 2 * x\n",
            "@ROOT@/words.txt",
        ),
    ],
    ids=["helper", "by-lab", "relative", "package", "name", "file", "file-later"],
)
def test_h8_what_is_only_at_home_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], code: str, culprit: str
) -> None:
    (root / "words.txt").write_text("words")
    for folder in (root, root / "labs" / "lab90_tiny"):
        (folder / "helper.py").write_text("def f(): pass\n")
    code = code.replace("@ROOT@", str(root))
    own = code if code.startswith("def") else code + HONEST
    assert submit(root, own) == 3
    told = capsys.readouterr().err
    assert culprit.replace("@ROOT@", str(root)) in told
    assert "--untried" in told
    assert not Path("mine.zip").exists()
    assert submit(root, own, "--untried") == 0
    assert Path("mine.zip").is_file()


def test_h8_what_may_be_missing_is_no_culprit(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    optional = "try:\n    import pytest\nexcept ImportError:\n    pytest = None\n"
    assert submit(root, optional + HONEST) == 0
    assert "note" not in capsys.readouterr().err


@pytest.mark.in_turns
def test_h8_fewer_points_than_here_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It knows which machine it is on."""
    code = f"import os\n\n\ndef double(x):\n    return 2 * x * (os.getcwd() == {str(root)!r})\n"
    lab = find_lab(root, "90")
    lab.code.write_text(code)
    assert main(["submit", "90"]) == 2  # nothing was run yet
    assert submit(root, code) == 0
    run = max((root / "runs" / lab.id).iterdir())
    grade = {"schema": "dllab.result/1", "submission": {"lab": lab.id}, "verdict": "graded"}
    (run / "result.json").write_text(json.dumps({**grade, "score": 5.0, "max_score": 5.0}))
    capsys.readouterr()
    assert main(["submit", run.name, "-o", "mine.zip"]) == 0
    assert "it has 0 points, and 5 here" in capsys.readouterr().err


BESIDE = """
from pathlib import Path

from labs.lab90_tiny.files.helper import times
from .files import helper

FACTOR = float((Path(__file__).parent / "files" / "factor.txt").read_text())


def double(x):
    assert helper.times is times
    return times(FACTOR, x)
"""


def test_h8_files_that_the_lab_allows_are_handed_in(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = find_lab(root, "90")
    (lab.folder / "files").mkdir()
    (lab.folder / "files" / "helper.py").write_text("def times(a, x):\n    return a * x\n")
    (lab.folder / "files" / "factor.txt").write_text("2")
    assert submit(root, BESIDE) == 3, "the lab allows none"
    assert "lab.py:4 imports files, a file of your own" in capsys.readouterr().err
    allowed = {**LAB_YAML, "learner_files": ["helper.py", "factor.txt", "more.txt"]}
    (lab.folder / "lab.yaml").write_text(yaml.safe_dump(allowed))
    assert submit(root, BESIDE) == 0, capsys.readouterr().err
    assert {"files/helper.py", "files/factor.txt"} < set(unzipped(Path("mine.zip")))
    assert "points, and" not in capsys.readouterr().err

    (lab.folder / "files" / "factor.txt").write_text("3")
    run = max((root / "runs" / lab.id).iterdir()).name
    assert main(["submit", run]) == 2
    assert "factor.txt has changed since" in capsys.readouterr().err
    archive = root / "mine.zip"
    archive.write_bytes(zipped(declared({**unzipped(archive), "files/other.py": b""})))
    with pytest.raises(Ungradable, match=r"takes no files/other.py"):
        take_in(archive, find_lab(root, "90"), root / "in")
