"""Hidden sets and signed results."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dllab import data
from dllab.cli import main
from dllab.data import DataError
from dllab.data.catalog import read_set
from dllab.errors import LabError
from dllab.grading.hidden import HiddenSet, build_hidden
from dllab.grading.leakage import find_leakage
from dllab.grading.signature import canonical, key_path, sign, verify
from dllab.lab.find import find_lab
from dllab.result import Result, Submission

RESULT = Result(
    submission=Submission("lab90_tiny", id="ab12", learner="ada"),
    verdict="graded",
    score=5.0,
    max_score=10.0,
    graded_at=datetime(2026, 11, 20, tzinfo=UTC),
)


def build(repo: Path, out: Path, size: int, seed: int, **how: bool) -> Path:
    """A hidden set of lab 01; without its source on this machine there is nothing to test."""
    try:
        build_hidden(find_lab(repo, "01"), size, seed, out, **how)
    except DataError as error:
        pytest.skip(f"the reserved rows cannot be fetched here: {error.what}")
    return out


@pytest.mark.in_turns
@pytest.mark.slow
def test_a_hidden_set_is_balanced_secret_and_not_released(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo)
    folder = build(repo, tmp_path / "hidden", 500, 3)
    lab = find_lab(repo, "01")
    source = HiddenSet(folder, lab)
    label, images = source.labels("fashion_mnist")["label"], source.inputs("fashion_mnist")["image"]
    assert torch.bincount(label).tolist() == [50] * 10
    assert not torch.equal(label, label.sort().values)
    released = {
        image.numpy().tobytes()
        for split in ("train", "val", "test")
        for image in data.load("fashion_mnist", split)["image"]
    }
    exact = HiddenSet(build(repo, tmp_path / "exact", 500, 3, exact=True), lab)
    drawn = exact.inputs("fashion_mnist")["image"]
    assert not [image for image in drawn if image.numpy().tobytes() in released]
    assert "label" not in load_file(folder / "fashion_mnist" / "inputs.safetensors")

    told = [one.about.sets["fashion_mnist"].perturbed for one in (exact, source)]
    assert told == [False, True]
    assert torch.equal(exact.labels("fashion_mnist")["label"], label)
    assert not (drawn == images).flatten(1).all(1).any()

    other = build(repo, tmp_path / "other", 500, 4)
    assert not torch.equal(HiddenSet(other, lab).labels("fashion_mnist")["label"], label)
    same = build(repo, tmp_path / "same", 500, 3)
    assert torch.equal(HiddenSet(same, lab).labels("fashion_mnist")["label"], label)


@pytest.mark.in_turns
@pytest.mark.slow
def test_more_than_is_reserved_is_refused(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(repo)
    build(repo, tmp_path / "small", 10, 1)
    words = ["hidden", "build", "01", "--size", "8001", "--seed", "1", "--out", str(tmp_path / "x")]
    assert main(words) == 2
    assert "at most 8000" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.in_turns
@pytest.mark.slow
def test_a_changed_or_foreign_folder_is_refused(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo)
    folder = build(repo, tmp_path / "hidden", 20, 1)
    with pytest.raises(LabError, match="not of lab02_cnn"):
        HiddenSet(folder, find_lab(repo, "02"))
    labels = folder / "fashion_mnist" / "labels.safetensors"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x01")
    with pytest.raises(LabError, match="not the file that was built"):
        HiddenSet(folder, find_lab(repo, "01")).labels("fashion_mnist")
    with pytest.raises(LabError, match=r"no hidden\.json"):
        HiddenSet(tmp_path, find_lab(repo, "01"))


def test_leakage_tells_copies_from_lookalikes(repo: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (6, 1, 8, 8), generator=generator).to(torch.uint8)
    close = images[1].clone()
    close[0, 0, 0] ^= 1
    pool = {"image": torch.stack([images[0], close, images[5]])}
    found = find_leakage(read_set(repo / "data" / "fashion_mnist"), pool, {"image": images[:4]})
    assert (found.items, found.exact, found.near) == (3, 1, 1)
    assert found.free.tolist() == [1, 2]


def test_leakage_looks_past_padding(repo: Path) -> None:
    tokens = torch.tensor([[5, 6, 7, 0, 0], [5, 6, 7, 8, 9]])
    pool = {"tokens": tokens, "lengths": torch.tensor([3, 5])}
    released = {"tokens": torch.tensor([[5, 6, 7, 0]]), "lengths": torch.tensor([3])}
    found = find_leakage(read_set(repo / "data" / "clothing_reviews"), pool, released)
    assert (found.exact, found.free.tolist()) == (1, [1])


def test_a_signature_binds_every_field(tmp_path: Path) -> None:
    signed = sign(RESULT).plain()
    public = key_path().with_suffix(".pub")
    assert verify(signed, public)
    assert not verify({**signed, "score": 10.0}, public)
    assert not verify({**signed, "extra": 1}, public)
    assert key_path().stat().st_mode & 0o077 == 0
    assert canonical({"b": 1, "a": {"d": 2, "c": 3}}) == b'{"a":{"c":3,"d":2},"b":1}'


def test_verify_by_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    public = key_path().with_suffix(".pub")
    result = tmp_path / "result.json"
    result.write_text(json.dumps(sign(RESULT).plain()))
    assert main(["verify", str(result), "--key", str(public)]) == 0
    told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:])
    assert told == {
        "learner": "ada",
        "submission": "ab12",
        "lab": "lab90_tiny",
        "mode": "practice",
        "verdict": "graded",
        "score": "5 of 10",
        "graded_at": "2026-11-20T00:00:00+00:00",
    }
    result.write_text(json.dumps({**sign(RESULT).plain(), "score": 9.0}))
    assert main(["verify", str(result), "--key", str(public)]) == 1
    result.write_text(json.dumps(RESULT.plain()))
    assert main(["verify", str(result), "--key", str(public)]) == 2
    assert "not signed" in capsys.readouterr().err
    assert main(["verify", str(result), "--key", str(result)]) == 2
