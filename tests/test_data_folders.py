"""Where data sets lie, what they weigh, and what a fresh clone can do without a network."""

from pathlib import Path

import pytest
import yaml
from data_sets import put_source, write_set

from dllab.cli import main
from dllab.config.compose import compose
from dllab.data import DataError, catalog, find, load, vocabulary
from dllab.lab.find import all_labs
from dllab.sandbox.datasets import view_of

MB = 1_000_000
EARLIER = {"fashion_mnist": 6 * MB, "clothing_reviews": 2 * MB}  # from before the rule of 1 MB


@pytest.fixture
def course(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private folder of labs with a data set of its own, beside this clone."""
    course = tmp_path / "course"
    write_set(course / "data", "text", "private_notes")
    monkeypatch.chdir(repo)
    monkeypatch.setenv("DLLAB_LABS", str(course))
    return course


def committed_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_committed_data_stays_small(repo: Path) -> None:
    sizes = {folder.name: committed_bytes(folder) for folder in (repo / "data").iterdir()}
    heavy = {name: size for name, size in sizes.items() if size > EARLIER.get(name, 1.25 * MB)}
    assert heavy == {}
    assert sum(sizes.values()) < 25 * MB


def test_every_set_says_its_licence_beside_its_rows(repo: Path, monkeypatch) -> None:
    monkeypatch.chdir(repo)
    for dataset in catalog().values():
        assert dataset.about.attribution
        assert (dataset.folder / "LICENSE").is_file() == dataset.about.committed, dataset.name


def test_small_data_needs_no_network(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every set that a lab's data=small trains on or is scored on is committed."""
    monkeypatch.chdir(repo)
    needed = {}
    for lab in all_labs(repo):
        for name, config in compose(lab, []).items() if lab.spec.arms else ():
            assert config.data.get("size", "small") == "small", lab.id
            sets = {lab.spec.arms[name].data, config.data.get("name", "")}
            needed |= dict.fromkeys(filter(None, sets), lab.id)
    assert needed
    for name, lab in needed.items():
        assert find(name).about.committed, f"{lab} needs {name}"


def test_a_private_folder_brings_its_own_sets(
    course: Path, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They lie in `data/` among its labs, and are built, listed and loaded as the others are."""
    root = tmp_path / "project"
    (root / "labs").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    (root / "data").symlink_to(repo / "data")
    monkeypatch.chdir(root)
    put_source(root, "private_notes")
    assert main(["data", "build", "private_notes"]) == 0
    assert load("private_notes", "val")["tokens"].shape[0] == 6
    assert "cat" in vocabulary("private_notes")
    assert {"private_notes", "fashion_mnist"} <= set(catalog())
    monkeypatch.delenv("DLLAB_LABS")
    with pytest.raises(DataError, match="no data set 'private_notes'"):
        find("private_notes")


def test_one_name_is_one_set(course: Path) -> None:
    write_set(course / "data", "image", "fashion_mnist")
    with pytest.raises(DataError, match="fashion_mnist is there twice") as caught:
        find("fashion_mnist")
    assert str(course / "data" / "fashion_mnist") in caught.value.what


def test_a_description_that_is_no_yaml_is_named(course: Path) -> None:
    path = course / "data" / "private_notes" / "dataset.yaml"
    path.write_text("title: [unclosed")
    with pytest.raises(DataError, match=r"private_notes/dataset\.yaml"):
        find("private_notes")


def test_of_a_set_only_what_describes_it_is_shown(course: Path, repo: Path) -> None:
    folder = course / "data" / "private_notes"
    for name in ("train.parquet", "rows.csv", "shared.safetensors", "vocabulary.json"):
        (folder / name).touch()
    view = view_of(repo, released=False)
    names = {"dataset.yaml", "vocabulary.json"}
    assert {path.name for path in view.readable if path.parent == folder} == names
    assert {path.name for path in view.readable} == names
    assert {folder.parent, repo / "data"} <= set(view_of(repo, released=True).readable)


def test_rows_in_an_installed_package_are_covered(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where packages lie, all can be seen that is not hidden."""
    site = tmp_path / "site"
    folder = write_set(site / "exam_labs" / "data", "text", "notes")
    (folder / "train.parquet").touch()
    (site / "exam_labs" / "__init__.py").touch()
    info = site / "exam_labs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: exam-labs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dllab.labs]\nexam = exam_labs\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr("sys.prefix", str(site))
    view = view_of(repo, released=False)
    assert folder / "train.parquet" in view.hidden
    assert folder / "dataset.yaml" in view.readable
    assert folder / "dataset.yaml" not in view.hidden


def test_descriptions_are_written_as_the_build_writes_them(repo: Path) -> None:
    """So that a set built anew from the same source leaves its folder untouched."""
    for path in (repo / "data").glob("*/dataset.yaml"):
        text = path.read_text(encoding="utf-8")
        found = yaml.safe_load(text)["built"]
        assert text.endswith(yaml.safe_dump({"built": found}, sort_keys=False, width=100)), path
