"""Tiny labs of every kind that the contract must carry: complete rooms, as an author writes."""

import shutil
import sys
from contextlib import chdir
from pathlib import Path

from dllab.authoring.generated import lab_page
from dllab.authoring.rules_text import SECTIONS, SECTIONS_OF_TRAINING, TABLES
from dllab.authoring.strip import strip
from dllab.data.build import build
from dllab.data.catalog import find
from dllab.lab.find import Lab

HERE = Path(__file__).parent / "kinds"
REPO = Path(__file__).resolve().parent.parent
# Not yet the whole way: claims, whose bounds of an interval do not hold for arms that share seeds.
KINDS = ("code_only", "given", "generative", "control", "break_it", "forecast")
ENGINE = (HERE / "code_only/_author/solution.py").read_text()


def make_root(root: Path) -> Path:
    """An empty project with a checklist of one topic."""
    (root / "labs").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    (root / "configs").symlink_to(REPO / "configs")
    (root / "labs" / "checklist.yaml").write_text(
        "topics:\n- {id: tiny, title: Tiny, level: beginner, category: data, hands_on: yes,\n"
        "   mastery: Be small., concepts: [small], prerequisites: [], how: {planned: 1}}\n"
        "boxes: []\n"
    )
    return root


def write_kind(root: Path, kind: str, number: str = "90", parent: Path | None = None) -> Lab:
    """A complete lab of one kind below `parent` (default: the project's labs)."""
    lab = Lab(root, (parent or root / "labs") / f"lab{number}_{kind}")
    ignored = shutil.ignore_patterns("__pycache__", "data")
    shutil.copytree(HERE / kind, lab.folder, ignore=ignored)
    for path in sorted((HERE / kind / "data").glob("*")):
        shutil.copytree(path, root / "data" / path.name, dirs_exist_ok=True)
        with chdir(root):
            build(find(path.name))
    trains = (lab.folder / "conf").is_dir()
    sections = (*SECTIONS, *(SECTIONS_OF_TRAINING if trains else ()))
    text = "".join(f"## {section}\n\n" for section in sections)
    text += "".join(f"<!-- generated: {name} -->\n<!-- end -->\n" for name in TABLES)
    (lab.folder / "README.md").write_text(f"# {kind}\n\n{text}")
    strip(lab)
    lab_page(Lab(root, lab.folder)).renew()
    for name in [name for name in sys.modules if name.startswith(lab.package)]:
        del sys.modules[name]  # a test may edit the checks before they are asked
    return Lab(root, lab.folder)  # lab.yaml, which now has the hash, is read anew
