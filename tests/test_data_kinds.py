"""A set of each kind from its author's folder to tensors, pictures and a search for leaks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from data_sets import KINDS, SIZES, put_source, write_set
from torch import Tensor

from dllab.cli import main
from dllab.data import DataError, find, items, load, reserved, reserved_ids, vocabulary
from dllab.data.description import RELEASED
from dllab.data.fetch import source_rows
from dllab.data.kinds import item_at, kind_of, kinds
from dllab.data.module import SplitData
from dllab.data.parquet import read_parquet
from dllab.data.tensors import Tensors
from dllab.grading.leakage import find_leakage

WHOLE = [kind for kind in KINDS if kind != "stream"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a data set."""
    root = tmp_path / "project"
    (root / "labs").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    monkeypatch.chdir(root)
    return root


def built(root: Path, kind: str, **changes: Any) -> Path:
    """A toy set of the kind, built by the command."""
    folder = write_set(root / "data", kind, **changes)
    put_source(root)
    assert main(["data", "build", "toy"]) == 0
    return folder


def fits(said: tuple[int | str, ...], shape: torch.Size) -> bool:
    return len(said) == len(shape) and all(
        a in (b, *([a] if isinstance(a, str) else [])) for a, b in zip(said, shape, strict=True)
    )


def test_there_is_a_test_set_of_every_kind() -> None:
    assert set(kinds()) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_is_built_from_its_folder(
    root: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its items have the declared dtypes, shapes and numbers, and committed files bear them out."""
    built(root, kind)
    dataset = find("toy")
    for split in RELEASED:
        tensors = items("toy", split)
        for name, column in dataset.columns.items():
            shape = tensors[name].shape if column.shared else tensors[name].shape[1:]
            assert str(tensors[name].dtype) == f"torch.{column.dtype}"
            assert fits(column.shape, shape), (name, column, shape)
            if column.lengths:
                past = torch.arange(shape[0]) >= tensors[column.lengths][:, None]
                assert kind == "stream" or past.any(), "some item is padded"
                assert not tensors[name][past].any()
        if kind in WHOLE:
            assert len(tensors[dataset.inputs[0]]) == SIZES[split]
    assert main(["data", "list"]) == main(["data", "verify"]) == 0
    assert "Toy" in capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS)
def test_files_give_what_the_source_gives(root: Path, kind: str) -> None:
    folder = built(root, kind)
    fresh = load("toy", "train")
    rows = source_rows(find("toy"))
    count = find("toy").built.rows
    assert count == 60
    assert {len(v) for k, v in rows.items() if k not in find("toy").shared} == {count}
    about = yaml.safe_load((folder / "dataset.yaml").read_text())
    for path in folder.glob("t*.parquet"):
        path.unlink()
    del about["built"]["files"]["train.parquet"]  # as if it were not committed
    (folder / "dataset.yaml").write_text(yaml.safe_dump(about))
    again = load("toy", "train")
    assert set(fresh) == set(again)
    assert all(torch.equal(fresh[name], again[name]) for name in fresh)


def test_building_again_changes_nothing(root: Path) -> None:
    folder = built(root, "text")
    first = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert {"dataset.yaml", "partition.parquet", "train.parquet", "vocabulary.json"} <= set(first)
    assert main(["data", "build", "toy"]) == 0
    assert first == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_can_be_shown(root: Path, kind: str) -> None:
    built(root, kind)
    dataset = find("toy")
    shown = kind_of(dataset).show(dataset, item_at(dataset, items("toy", "val"), 0))
    filled = {name for name in ("image", "text", "lines") if getattr(shown, name)}
    expected = {"image": "image", "boxes": "image", "series": "lines", "audio": "lines"}
    assert filled == {expected.get(kind, "text")}
    if kind == "table":
        assert [cell.split()[0] for cell in shown.text.split(" · ")] == [
            *("age", "height", "pulse"),
            *("sex", "smoker"),
        ]


# ---- copies ---------------------------------------------------------------------------------


def brighter(tensors: Tensors) -> Tensors:
    return {**tensors, "image": (tensors["image"] // 2).byte()}


def doubled(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: tensors[name] * 2}


def one_word_more(tensors: Tensors) -> Tensors:
    """Each text five times over, and one word more: nearly the same counts, other texts."""
    lengths = tensors["lengths"] * 5 + 1
    tokens = torch.full((len(lengths), int(lengths.max())), 2)
    for i, length in enumerate((lengths - 1).tolist()):
        tokens[i, :length] = tensors["tokens"][i, : length // 5].repeat(5)
    return {**tensors, "tokens": tokens, "lengths": lengths}


def rounded(tensors: Tensors) -> Tensors:
    return {**tensors, "features": tensors["features"] + 1e-4}


def louder_and_later(tensors: Tensors) -> Tensors:
    audio = tensors["audio"]
    return {**tensors, "audio": (audio * 2).roll(7, dims=1), "lengths": tensors["lengths"]}


NEARLY = {
    "image": brighter,
    "boxes": brighter,
    "series": doubled("series"),
    "text": one_word_more,
    "table": rounded,
    "audio": louder_and_later,
}


@pytest.mark.parametrize("kind", WHOLE)
def test_copies_are_found_exact_and_near(root: Path, kind: str) -> None:
    """Reserved items are no copies; released ones among them are, with or without a label."""
    built(root, kind)
    dataset, released = find("toy"), load("toy", "train")
    honest = find_leakage(dataset, reserved("toy"), released)
    assert (honest.items, honest.exact) == (SIZES["reserved"], 0)
    assert honest.near <= 1, "toys are not alike"
    bare = {k: v for k, v in released.items() if dataset.columns[k].role == "input"}
    copies = find_leakage(dataset, bare, released)
    assert (copies.exact, copies.near, len(copies.free)) == (SIZES["train"], 0, 0)
    if kind in NEARLY:
        near = find_leakage(dataset, NEARLY[kind](bare), released)
        assert near.exact <= 1
        assert near.near >= SIZES["train"] - 2


@pytest.mark.parametrize("kind", KINDS)
def test_f10_perturbed_items_keep_all_but_what_a_table_would_find(root: Path, kind: str) -> None:
    """Streams are cut elsewhere each time; nodes of a graph that all see cannot be changed."""
    built(root, kind)
    dataset, drawn = find("toy"), reserved("toy") if kind in WHOLE else items("toy", "test")
    one, other = (
        kind_of(dataset).perturb(dataset, drawn, torch.Generator().manual_seed(seed))
        for seed in (1, 2)
    )
    for name, column in dataset.columns.items():
        assert (one[name].dtype, one[name].shape) == (drawn[name].dtype, drawn[name].shape)
        if name not in dataset.inputs or name == "codes":
            assert torch.equal(one[name], drawn[name]), name
        if column.lengths:
            past = torch.arange(one[name].shape[1]) >= one[column.lengths][:, None]
            assert torch.equal(one[name][past], drawn[name][past])
    known = set(kind_of(dataset).keys(dataset, drawn))
    left = [key in known for key in kind_of(dataset).keys(dataset, one)]
    if kind in ("stream", "graph"):
        assert all(left)
        return
    twins = len(left) // 2 if kind == "text" else 0  # of 16 words, some give way to the same one
    assert sum(left) <= twins
    assert kind_of(dataset).keys(dataset, one) != kind_of(dataset).keys(dataset, other)


def test_copies_are_found_at_another_width(root: Path) -> None:
    """Padding is no part of an item, and neither is its width."""
    built(root, "series")
    dataset, released = find("toy"), load("toy", "train")
    short = int(released["lengths"].min())
    i = int(released["lengths"].argmin())
    one = {"series": released["series"][i : i + 1, :short], "lengths": torch.tensor([short])}
    assert find_leakage(dataset, one, released).exact == 1


# ---- series, boxes, graphs ------------------------------------------------------------------


def test_a_long_series_is_padded_to_and_never_cut(root: Path) -> None:
    built(root, "series")
    train = load("toy", "train")
    rows = source_rows(find("toy"))["series"]
    longest = max(len(one) for one in rows)
    assert longest > 29
    widths = {split: load("toy", split)["series"].shape[1] for split in RELEASED}
    assert widths == {split: int(load("toy", split)["lengths"].max()) for split in RELEASED}
    assert train["series"].dtype == torch.float32


def test_a_series_longer_than_the_set_declares_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {**KINDS["series"][0]}
    columns["series"] = {**columns["series"], "shape": [29, 2]}
    folder = write_set(root / "data", "series", columns=columns)
    put_source(root)
    assert main(["data", "build", "toy"]) == 2
    assert "column series: expected float32 [N,29,2], got [20, 4" in capsys.readouterr().err
    assert not (folder / "dataset.yaml").read_text().count("built")


def test_pictures_may_hold_nothing(root: Path) -> None:
    built(root, "boxes")
    train = load("toy", "train")
    assert 0 in train["count"].tolist()
    assert train["boxes"].shape[1] == int(train["count"].max())
    dataset = find("toy")
    empty = item_at(dataset, train, train["count"].tolist().index(0))
    assert kind_of(dataset).show(dataset, empty).image


def test_nodes_are_divided_and_the_graph_is_shared(root: Path) -> None:
    """No node is in two splits, and no released file knows a reserved node's label."""
    folder = built(root, "graph")
    splits = {split: load("toy", split) for split in RELEASED}
    splits["reserved"] = reserved("toy")
    masks = torch.stack(
        [torch.zeros(60, dtype=torch.int64).scatter(0, s["node"], 1) for s in splits.values()]
    )
    assert int(masks.sum(0).max()) == 1
    assert masks.sum(1).tolist() == [SIZES[name] for name in ("train", "val", "test", "reserved")]
    first = splits["train"]
    assert all(torch.equal(s["edges"], first["edges"]) for s in splits.values())
    labelled = {
        int(node)
        for split in RELEASED
        for node in torch.as_tensor(read_parquet(folder / f"{split}.parquet")["node"])
    }
    assert not labelled & set(reserved_ids("toy").tolist())


def test_a_graph_comes_in_batches_of_nodes(root: Path) -> None:
    built(root, "graph")
    data = SplitData(name="toy", batch_size=8)
    data.setup()
    batches = list(data.train_dataloader())
    assert [len(batch["node"]) for batch in batches] == [8, 8, 4]
    assert {batch["features"].shape for batch in batches} == {(60, 4)}


def test_a_vocabulary_knows_training_texts_only(root: Path) -> None:
    built(root, "stream")
    assert len(vocabulary("toy")) == 28
    some = items("toy", "val")
    assert some["tokens"].shape == (4096, 16)
    assert torch.equal(some["lengths"], torch.full((4096,), 16))


def test_the_authors_page_makes_a_set(repo: Path, root: Path) -> None:
    """Its description and its reader, as they stand there; no walker is in two parts."""
    page = (repo / "docs" / "authors.md").read_text(encoding="utf-8")
    section = page.partition("## A data set\n")[2].partition("\n## ")[0]
    folder = root / "data" / "walks"
    folder.mkdir(parents=True)
    for file, language in (("dataset.yaml", "yaml"), ("read.py", "python")):
        block = section.partition(f"```{language}\n")[2].partition("```")[0]
        (folder / file).write_text(block)
    rng = torch.Generator().manual_seed(0)
    lines = [
        f"{walk},{walk % 12},{walk % 2},{','.join(map(str, torch.rand(3, generator=rng).tolist()))}"
        for walk in range(48)
        for _ in range(5 + walk % 7)
    ]
    source = root / ".cache" / "downloads" / "walks" / "walks.csv"
    source.parent.mkdir(parents=True)
    source.write_text("\n".join(lines))
    assert main(["data", "build", "walks"]) == 0
    who = {part: {*load("walks", part)["who"].tolist()} for part in RELEASED}
    assert {part: len(people) for part, people in who.items()} == {"train": 6, "val": 1, "test": 2}
    assert len(set.union(*who.values()) | {*reserved("walks")["who"].tolist()}) == 12


# ---- mistakes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "imagery"}, "no kind 'imagery'"),
        ({"colums": {}}, "unknown key colums"),
        ({"columns": {"label": {"dtype": "int64"}}}, "needs the columns image: uint8 [N,C,H,W]"),
        ({"columns": {"image": {"dtype": "float32", "shape": [1, 2, 2]}}}, "needs the columns"),
        (
            {"columns": {"image": {"dtype": "int", "shape": [1]}}},
            "columns.image.dtype must be 'bool', 'uint8'",
        ),
        (
            {"columns": {"image": {"dtype": "uint8", "shape": [1, 2, 2], "lengths": "n"}}},
            "columns.image.lengths: there is no column 'n'",
        ),
        ({"division": {"sizes": {"train": 1}}}, "division: sizes has no val, test, reserved"),
        ({"division": {"by": "time", "test_from": 3, "sizes": SIZES}}, "division: test_from"),
        ({"division": {"sizes": {**SIZES, "train": 50}}}, "train asks for 50 rows, and 40 are"),
        ({"division": {"by": "group", "column": "who", "sizes": SIZES}}, "no column 'who'"),
        ({"reader": "reed.py"}, "reed.py is missing"),
        ({"sources": []}, "could not be fetched"),
    ],
)
def test_a_mistake_in_a_description_is_named(
    root: Path, changes: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_set(root / "data", "image", **changes)
    put_source(root)
    assert main(["data", "build", "toy"]) == 2
    assert words in capsys.readouterr().err


def test_a_file_that_a_person_has_to_put_there_is_asked_for(root: Path) -> None:
    write_set(root / "data", "image")
    with pytest.raises(DataError, match=r"downloads/toy/notes\.txt is missing"):
        source_rows(find("toy"))


def test_a_set_that_was_not_built_says_so(root: Path) -> None:
    write_set(root / "data", "image")
    with pytest.raises(DataError, match="has no rows yet") as caught:
        load("toy", "train")
    assert "dllab data build toy" in caught.value.hint


def test_no_sound_without_a_rate(root: Path) -> None:
    columns = {**KINDS["audio"][0]}
    columns["audio"] = {**columns["audio"], "rate": 0}
    write_set(root / "data", "audio", columns=columns)
    with pytest.raises(DataError, match="the column audio has no rate"):
        kind_of(find("toy"))


def test_a_package_may_bring_a_kind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an entry point, and nothing of dllab is edited."""
    site = root / "site"
    (site / "knots-1.0.dist-info").mkdir(parents=True)
    (site / "knots-1.0.dist-info" / "METADATA").write_text("Name: knots\nVersion: 1.0\n")
    entry = "[dllab.kinds]\nknots = knots\n"
    (site / "knots-1.0.dist-info" / "entry_points.txt").write_text(entry)
    (site / "knots.py").write_text(
        "from dllab.data.kinds import Kind, Shown\n\n\n"
        "class Knots(Kind):\n"
        '    content = ("crossings",)\n\n'
        "    def show(self, dataset, item):\n"
        '        return Shown(text=f"{len(item)} columns")\n\n\n'
        "KIND = Knots()\n"
    )
    monkeypatch.syspath_prepend(str(site))
    columns = {"crossings": {"dtype": "int64", "shape": [3]}}
    folder = write_set(root / "data", "image", kind="knots", columns=columns)
    division = {"by": "random", "sizes": SIZES}
    about = yaml.safe_load((folder / "dataset.yaml").read_text()) | {"division": division}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(about))
    (folder / "read.py").write_text(
        "import torch\n\n\ndef read(folder):\n"
        '    return {"crossings": torch.arange(180).reshape(60, 3)}\n'
    )
    put_source(root)
    assert main(["data", "build", "toy"]) == 0
    assert load("toy", "val")["crossings"].shape == (6, 3)
    dataset = find("toy")
    assert kind_of(dataset).show(dataset, {"crossings": Tensor([1.0])}).text == "1 columns"


def test_the_list_says_what_an_item_is(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built(root, "audio")
    capsys.readouterr()
    assert main(["data", "list", "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)["toy"]
    assert entry["columns"]["audio"] == "int16 [N,900]"
    assert (entry["committed"], entry["fetched"]) == (True, True)
