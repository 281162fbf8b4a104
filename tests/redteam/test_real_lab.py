"""Lab 01 for real: trained, handed in, graded on items nobody has; then the same with tricks."""

import json
import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import torch
from official_lab import CURVE, declared, unzipped, write_hidden, zipped
from safetensors.torch import load, save

from dllab import data
from dllab.cli import main
from dllab.lab.find import find_lab

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_wall")]

REPO = Path(__file__).resolve().parents[2]
CODE_POINTS = 64  # of lab 01's 100: the rest is for what the network predicts


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The submission of someone who wrote what the reference has and watched the training in a
    tracker of their own; and a hidden set beside it.
    """
    root = tmp_path_factory.mktemp("lab01")
    for name in ("labs", "configs"):
        shutil.copytree(REPO / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (REPO / ".cache").mkdir(exist_ok=True)
    for name in ("data", "pyproject.toml", ".cache"):
        (root / name).symlink_to(REPO / name)
    lab = find_lab(root, "01")
    shutil.copy(lab.solution, lab.code)
    with chdir(root):
        assert main(["train", "01", "impl=mine", "logger=tensorboard", "trainer.threads=1"]) == 0
        assert main(["submit", "01", "-o", "ada.zip"]) == 0
        items = data.items("fashion_mnist", "test")
    order = torch.randperm(len(items["label"]), generator=torch.Generator().manual_seed(0))
    drawn = {name: value[order[:1000]] for name, value in items.items()}
    write_hidden(root.parent / "private", drawn, lab.id, "fashion_mnist")
    return root / "ada.zip"


def grade(archive: Path) -> tuple[int, dict[str, Any]]:
    hidden = archive.parent.parent / "private"
    words = ["grade", str(archive), "--official", "--hidden", str(hidden), "--json", "out.json"]
    with chdir(archive.parent):
        return main(words), dict(json.loads(Path("out.json").read_text()))


def altered(archive: Path, name: str, content: bytes) -> Path:
    out = archive.with_name("altered.zip")
    out.write_bytes(zipped(declared({**unzipped(archive), name: content})))
    return out


@pytest.mark.in_turns
def test_honest_work_passes(archive: Path) -> None:
    """The tracker's files stay where they are, and nothing about them is flagged."""
    assert list(archive.parent.glob("runs/*/*/arms/main/tensorboard/*/events.*"))
    code, result = grade(archive)
    assert (code, result["verdict"], result["passed"]) == (0, "graded", True)
    assert {row["status"] for row in result["checks"]} == {"pass"}
    assert result["score"] == result["max_score"] == 100
    assert result["metrics"][0]["claimed_value"] is not None
    assert result["metrics"][0]["n"] == 1000


@pytest.mark.in_turns
def test_a_network_that_has_learned_nothing_keeps_the_points_of_its_code(archive: Path) -> None:
    name = "arms/main/weights.safetensors"
    weights = load(unzipped(archive)[name])
    noise = {key: torch.randn_like(value.float()).to(value) for key, value in weights.items()}
    code, result = grade(altered(archive, name, save(noise)))
    assert (code, result["score"]) == (1, CODE_POINTS)


@pytest.mark.in_turns
def test_a_function_that_leaves_loses_its_own_points_alone(archive: Path) -> None:
    source = unzipped(archive)["lab.py"].decode()
    trick = "\n\nimport os\n\n\ndef accuracy(confusion):\n    os._exit(0)\n"
    code, result = grade(altered(archive, "lab.py", (source + trick).encode()))
    status = {row["id"]: row["status"] for row in result["checks"]}
    assert (code, result["score"], status["accuracy-score"]) == (0, 98, "fail")


@pytest.mark.in_turns
def test_a_file_that_patches_torch_gains_nothing(archive: Path) -> None:
    """Untrained, unwritten, and every comparison in its own process made true."""
    starter = (REPO / "labs" / "lab01_mlp" / "lab.py").read_text()
    patches = (Path(__file__).parent / "attacks" / "patches_everything.py").read_text()
    code, result = grade(altered(archive, "lab.py", f"{starter}\n\n{patches}".encode()))
    assert (code, result["score"]) == (1, 0)


@pytest.mark.in_turns
def test_a_curve_is_a_claim(archive: Path) -> None:
    code, result = grade(altered(archive, "arms/main/curve.jsonl", CURVE.encode()))
    assert (code, result["verdict"]) == (3, "ungradable")
