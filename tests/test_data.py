"""The four committed sets: what `load` gives, how rows are divided, and what damage looks like."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dllab.cli import main
from dllab.data import (
    DataError,
    catalog,
    class_names,
    fingerprint,
    items,
    load,
    reserved,
    reserved_ids,
    vocabulary,
)
from dllab.data.catalog import cache_folder, find, part_ids
from dllab.data.description import PARTS, RELEASED
from dllab.data.kinds import kind_of
from dllab.data.parquet import read_parquet

COMMITTED = ("fashion_mnist", "japanese_vowels", "clothing_reviews", "shakespeare")
LABELLED = COMMITTED[:3]


@pytest.fixture(autouse=True)
def project(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own with the committed data and an empty cache."""
    (tmp_path / "labs").mkdir()
    (tmp_path / "pyproject.toml").touch()
    shutil.copytree(repo / "data", tmp_path / "data")
    monkeypatch.setenv("DLLAB_ROOT", str(tmp_path))
    return tmp_path


# ---- shapes ---------------------------------------------------------------------------------

SHAPES = {
    "fashion_mnist": {"image": ("uint8", (None, 1, 28, 28)), "label": ("int64", (None,))},
    "japanese_vowels": {
        "series": ("float32", (None, 29, 12)),
        "lengths": ("int64", (None,)),
        "label": ("int64", (None,)),
    },
    "clothing_reviews": {
        "tokens": ("int64", (None, 100)),
        "lengths": ("int64", (None,)),
        "label": ("int64", (None,)),
    },
    "shakespeare": {"tokens": ("int64", (None,))},
}


def described(tensors: dict[str, Tensor]) -> dict[str, tuple[str, tuple[int | None, ...]]]:
    return {
        name: (str(value.dtype).removeprefix("torch."), (None, *value.shape[1:]))
        for name, value in tensors.items()
    }


@pytest.mark.parametrize("name", COMMITTED)
def test_splits_have_the_declared_shapes(name: str) -> None:
    dataset = find(name)
    for split in RELEASED:
        tensors = load(name, split)
        assert described(tensors) == SHAPES[name]
        if name != "shakespeare":
            assert {len(value) for value in tensors.values()} == {dataset.built.parts[split]}
            assert sorted(tensors["label"].unique().tolist()) == list(range(len(dataset.classes)))


@pytest.mark.parametrize("name", ["japanese_vowels", "clothing_reviews"])
def test_past_the_length_there_is_only_padding(name: str) -> None:
    tensors = load(name, "test")
    values = tensors["series" if "series" in tensors else "tokens"]
    past = torch.arange(values.shape[1]) >= tensors["lengths"].unsqueeze(1)
    assert not values[past].any()
    assert values[~past].any()
    assert int(tensors["lengths"].min()) >= 1


def test_items_of_a_stream_are_windows_and_the_token_after() -> None:
    windows, stream = items("shakespeare", "test"), load("shakespeare", "test")["tokens"]
    assert windows["tokens"].shape == (4096, 128)
    assert windows["lengths"].unique().tolist() == [128]
    assert torch.equal(windows["label"], items("shakespeare", "test")["label"])
    spans = stream.unfold(0, 129, 1)
    first = torch.cat([windows["tokens"][0], windows["label"][:1]])
    assert bool((spans == first).all(dim=1).any())


def test_a_vocabulary_turns_ids_back_into_text() -> None:
    characters = vocabulary("shakespeare")
    assert characters[:2] == ["<pad>", "<unk>"]
    text = "".join(characters[i] for i in load("shakespeare", "val")["tokens"][:14].tolist())
    assert text == "Julius Caesar\n"
    assert {"dress", "love", "!"} <= set(vocabulary("clothing_reviews"))
    assert class_names("clothing_reviews") == ["not recommended", "recommended"]
    with pytest.raises(DataError, match="no vocabulary"):
        vocabulary("fashion_mnist")


def test_loaded_twice_is_the_same_and_comes_from_the_cache(project: Path) -> None:
    first = load("japanese_vowels", "val")
    for path in (project / "data" / "japanese_vowels").glob("*.parquet"):
        path.unlink()
    second = load("japanese_vowels", "val")
    assert list(first) == list(second)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_hugging_face_datasets_reads_the_same_pictures(project: Path) -> None:
    datasets = pytest.importorskip("datasets")
    folder = str(project / "data" / "japanese_vowels")
    splits = datasets.load_dataset(folder, cache_dir=str(project / "hf"))
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 225,
        "validation": 45,
        "test": 160,
    }
    assert splits["test"].features["label"].names == class_names("japanese_vowels")


# ---- partition ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SHAPES, "mnist", "cifar10"])
def test_every_row_has_one_part_as_the_catalog_counts(name: str) -> None:
    dataset = find(name)
    ids = {part: part_ids(dataset, part) for part in PARTS}
    together = torch.cat(list(ids.values()))
    assert torch.equal(together.sort().values, torch.arange(dataset.built.rows))
    counts = {part: len(chosen) for part, chosen in ids.items() if len(chosen)}
    assert counts == dict(dataset.built.parts)
    if border := dataset.about.division.test_from:
        assert int(torch.cat([ids["train"], ids["val"], ids["full_extra"]]).max()) < border
        assert int(torch.cat([ids["test"], ids["reserved"]]).min()) >= border


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_rows_are_the_released_ones(name: str, project: Path) -> None:
    dataset = find(name)
    for split in RELEASED:
        rows = read_parquet(project / "data" / name / f"{split}.parquet")
        assert isinstance(rows["id"], Tensor)
        assert rows["id"].tolist() == part_ids(dataset, split).tolist()


@pytest.mark.parametrize("name", COMMITTED)
def test_no_row_is_an_exact_copy_of_another(name: str, project: Path) -> None:
    keys = [
        key
        for split in RELEASED
        for key in kind_of(find(name)).row_keys(
            read_parquet(project / "data" / name / f"{split}.parquet")
        )
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", LABELLED)
def test_splits_drawn_from_one_pool_have_its_class_proportions(name: str) -> None:
    shares = {}
    for split in ("train", "val"):
        counts = load(name, split)["label"].bincount()
        shares[split] = counts / counts.sum()
    assert torch.allclose(shares["train"], shares["val"], atol=0.002)


def test_full_says_what_to_fetch_when_nothing_can_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="Fashion-MNIST, pictures of clothes could not") as caught:
        load("fashion_mnist", "train", size="full")
    assert "apt-get is not installed" in caught.value.what
    assert "dllab data get fashion_mnist" in caught.value.hint
    assert "apt-get download dataset-fashion-mnist" in caught.value.hint


def test_full_changes_training_only() -> None:
    assert torch.equal(
        load("fashion_mnist", "test", size="full")["label"],
        load("fashion_mnist", "test")["label"],
    )


def test_reserved_gives_out_reserved_rows_only() -> None:
    ids = reserved_ids("japanese_vowels")
    assert len(ids) == 210
    with pytest.raises(DataError, match="not reserved"):
        reserved("japanese_vowels", torch.tensor([0]))


def test_fingerprints_differ_and_last(project: Path) -> None:
    prints = {name: fingerprint(name) for name in COMMITTED}
    assert len(set(prints.values())) == len(COMMITTED)
    path = project / "data" / "fashion_mnist" / "dataset.yaml"
    path.write_text(path.read_text().replace("content: 9366", "content: 0000"))
    assert {name for name in COMMITTED if fingerprint(name) != prints[name]} == {"fashion_mnist"}


# ---- mistakes and damage --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("fashion_mnst", "train"), "no data set 'fashion_mnst'", "fashion_mnist"),
        (("fashion_mnist", "valid"), "no split 'valid'", "val"),
        (("fashion_mnist", "train", "huge"), "no size 'huge'", "full"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_ones(
    arguments: tuple[str, ...], message: str, hint: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(*arguments)
    assert hint in caught.value.hint


def test_a_damaged_committed_file_is_named_with_both_checksums(project: Path) -> None:
    path = project / "data" / "japanese_vowels" / "val.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DataError, match=r"val\.parquet is damaged: expected sha256") as caught:
        load("japanese_vowels", "val")
    assert find("japanese_vowels").built.files["val.parquet"] in caught.value.what
    assert "git checkout" in caught.value.hint


@pytest.mark.parametrize("harm", ["flip", "cut", "empty"])
def test_a_damaged_cache_is_made_anew(harm: str) -> None:
    good = load("japanese_vowels", "val")
    (path,) = cache_folder().glob("*.safetensors")
    data = path.read_bytes()
    harmed = {"flip": data[:-1] + bytes([data[-1] ^ 1]), "cut": data[:-100], "empty": b""}
    path.write_bytes(harmed[harm])
    again = load("japanese_vowels", "val")
    assert all(torch.equal(good[name], again[name]) for name in good)
    assert path.read_bytes() == data


def test_verify_hashes_everything(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load("japanese_vowels", "val")
    assert main(["data", "verify"]) == 0
    assert "data files are whole" in capsys.readouterr().out
    (cache,) = cache_folder().glob("*.safetensors")
    cache.write_bytes(cache.read_bytes()[:-1] + b"?")
    (project / "data" / "mnist" / "partition.parquet").unlink()
    assert main(["data", "verify"]) == 2
    errors = capsys.readouterr().err
    assert "mnist/partition.parquet is missing" in errors
    assert f"{cache} is damaged" in errors


def test_list_tells_what_is_at_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert set(entries) == set(catalog())
    assert entries["fashion_mnist"]["committed"]
    assert not entries["cifar10"]["fetched"]
    assert main(["data", "list"]) == 0
    assert "to fetch: 139 MB" in capsys.readouterr().out


def test_importing_the_room_imports_no_reader() -> None:
    heavy = ["datasets", "torchvision", "pandas", "PIL", "pyarrow", "rich", "lightning"]
    code = f"import sys, dllab.data; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_rows_does_not_import_what_costs_more_than_they_do(project: Path) -> None:
    """pyarrow's data sets import pandas, which takes half a second of CPU; a file needs neither."""
    heavy = ["pandas", "pyarrow.dataset", "datasets"]
    code = "import sys; from dllab.data import load; load('japanese_vowels', 'train');"
    code += f"print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
