"""Handing in and taking in: the same bytes for the same run, and no archive that can do harm."""

import hashlib
import io
import json
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from grading_lab import LAB, Desk, make_desk
from official_lab import declared, unzipped, zipped

from dllab.cli import main
from dllab.errors import LabError, Ungradable
from dllab.lab.find import Lab, find_lab
from dllab.result import MetricRow, Result, Submission
from dllab.rundir.run import RunFolder, write_json
from dllab.submission.intake import take_in
from dllab.submission.layout import MAX_FILES
from dllab.submission.pack import pack

CURVE = '{"step": 0, "epoch": 0, "train/loss": 2.5}\n{"step": 9, "epoch": 0, "train/loss": 1.25}\n'


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = make_desk(tmp_path)
    lab = tmp_path / "labs" / "lab90_tiny"
    (lab / "lab.py").write_text(LAB)
    (lab / "starter.py").write_text("# TODO double\n")
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def run(desk: Desk) -> RunFolder:
    """A finished run of the learner's own, as training leaves it."""
    made = desk.make_run()
    made.arm("main").curve.write_text(CURVE)
    write_json(made.card, {"impl": "mine", "status": "finished", "versions": {"torch": "2.13.0"}})
    claim = MetricRow("accuracy", 0.875)
    grade = Result(submission=Submission(desk.lab.id), verdict="graded", metrics=(claim,))
    write_json(made.result, grade.plain())
    return made


@pytest.fixture
def archive(desk: Desk, run: RunFolder) -> Path:
    return pack(desk.lab, run, desk.root / "submission.zip")


def test_the_same_run_gives_the_same_bytes(desk: Desk, run: RunFolder, archive: Path) -> None:
    assert pack(desk.lab, run, desk.root / "again.zip").read_bytes() == archive.read_bytes()


def test_what_was_packed_is_what_is_taken_in(desk: Desk, run: RunFolder, archive: Path) -> None:
    taken = take_in(archive, desk.lab, desk.root / "in")
    assert taken.id == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert taken.manifest.claimed == {"accuracy": 0.875}
    assert taken.manifest.run_id == run.id
    assert taken.run.code.read_bytes() == run.code.read_bytes()
    assert taken.run.arm("main").weights.read_bytes() == run.arm("main").weights.read_bytes()
    assert [point["train/loss"] for point in taken.run.arm("main").read_curve()] == [2.5, 1.25]
    assert "-# TODO double" in (taken.run.path / "starter.diff").read_text()


def test_submit_by_command_line(desk: Desk, run: RunFolder, capsys: pytest.CaptureFixture) -> None:
    assert main(["submit", run.id, "-o", "mine.zip"]) == 0
    out = capsys.readouterr().out
    assert hashlib.sha256(Path("mine.zip").read_bytes()).hexdigest() in out


def test_low_a_folder_may_be_named_and_must_be_there(
    desk: Desk, run: RunFolder, capsys: pytest.CaptureFixture
) -> None:
    assert main(["submit", run.id, "--untried", "-o", "missing/mine.zip"]) == 2
    assert "error: missing is not there" in capsys.readouterr().err
    Path("there").mkdir()
    assert main(["submit", run.id, "--untried", "-o", "there"]) == 0
    assert [path.name for path in Path("there").iterdir()] == ["submission.zip"]


def test_a_failed_experiment_is_not_handed_in_without_a_word(
    desk: Desk, run: RunFolder, capsys: pytest.CaptureFixture
) -> None:
    graded = Result(submission=Submission(desk.lab.id), verdict="graded")
    passed = RunFolder(run.path.with_name("20261101T000000Z-bbbbbb"))
    write_json(run.result, replace(graded, passed=True).plain())
    assert main(["submit", run.id, "--untried"]) == 0
    assert capsys.readouterr().err == ""
    shutil.copytree(run.path, passed.path)
    write_json(run.result, graded.plain())
    assert main(["submit", run.id, "--untried"]) == 0
    told = capsys.readouterr().err
    assert "has not passed" in told
    assert f"dllab submit {passed.id}" in told


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda run, lab: write_json(run.card, {"impl": "reference", "status": "finished"}),
         "reference solution"),
        (lambda run, lab: write_json(run.card, {"impl": "mine", "status": "failed"}), "is failed"),
        (lambda run, lab: run.card.unlink(), "reference solution"),
        (lambda run, lab: lab.code.write_text("# changed since\n"), "has changed since"),
        (lambda run, lab: run.arm("main").weights.unlink(), "lacks arms/main/weights.safetensors"),
    ],
    ids=["reference", "failed", "no card", "changed", "no weights"],
)  # fmt: skip
def test_submit_refuses_with_the_reason(
    desk: Desk, run: RunFolder, spoil: Callable[[RunFolder, Lab], None], reason: str
) -> None:
    spoil(run, desk.lab)
    with pytest.raises(LabError) as refused:
        pack(desk.lab, run, desk.root / "out.zip")
    assert reason in refused.value.what
    assert refused.value.hint
    assert list(desk.root.glob("*out.zip*")) == []


def rebuilt(
    archive: Path, change: Callable[[dict[str, bytes]], None], *, rehash: bool = True
) -> Path:
    """The archive with other contents, and by default a manifest that declares them."""
    files = unzipped(archive)
    change(files)
    out = archive.with_name("hostile.zip")
    out.write_bytes(zipped(declared(files) if rehash and "manifest.json" in files else files))
    return out


def refuse(desk: Desk, hostile: Path, reason: str) -> None:
    """It is ungradable for that reason, and nothing was written."""
    before = sorted(desk.root.rglob("*"))
    with pytest.raises(Ungradable) as refused:
        take_in(hostile, desk.lab, desk.root / "in")
    assert reason in refused.value.what
    assert sorted(desk.root.rglob("*")) == before


def put(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({name: data})


@pytest.mark.parametrize(
    "name",
    [
        "../outside.py",
        "/etc/passwd",
        "arms/../../x",
        "conftest.py",
        "sitecustomize.py",
        "arms/main/model.pkl",
        "arms/main/last.ckpt",
        "lab.py/",
        "ARMS/main/weights.safetensors",
        "..\\outside.py",
    ],
)
def test_only_declared_names_come_in(desk: Desk, archive: Path, name: str) -> None:
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(zipfile.ZipInfo(name), b"x")
    before = sorted(desk.root.rglob("*"))
    with pytest.raises(Ungradable):
        take_in(archive, desk.lab, desk.root / "in")
    assert sorted(desk.root.rglob("*")) == before


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFDIR])
def test_only_regular_files_come_in(desk: Desk, archive: Path, kind: int) -> None:
    entry = zipfile.ZipInfo("starter.diff")
    entry.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist() if name != "starter.diff"}
    with zipfile.ZipFile(desk.root / "link.zip", "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
        made.writestr(entry, b"/etc/passwd")
    refuse(desk, desk.root / "link.zip", "only regular files")


def test_twins_are_refused(desk: Desk, archive: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("lab.py", b"x = 1")
    refuse(desk, archive, "two files are called")


def test_a_bomb_is_refused_by_its_directory(desk: Desk, archive: Path) -> None:
    hostile = rebuilt(archive, put("arms/main/weights.safetensors", b""))
    with zipfile.ZipFile(hostile) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(hostile, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, bytes(200 << 20) if name.endswith("weights.safetensors") else data)
    refuse(desk, hostile, "would grow to")


def test_a_file_longer_than_it_says_is_refused(desk: Desk, archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        size = opened.getinfo("lab.py").file_size
    for mark in (b"PK\x01\x02",):
        place = data.find(b"lab.py", data.find(mark)) - 46
        assert data[place : place + 4] == mark
        struct.pack_into("<I", data, place + 24, size - 5)
    hostile = desk.root / "hostile.zip"
    hostile.write_bytes(data)
    before = sorted(desk.root.rglob("*"))
    with pytest.raises(Ungradable):
        take_in(hostile, desk.lab, desk.root / "in")
    assert sorted(desk.root.rglob("*")) == before


def test_too_many_files_are_refused(desk: Desk, archive: Path) -> None:
    def many(files: dict[str, bytes]) -> None:
        for number in range(MAX_FILES):
            files[f"arms/arm{number}/curve.jsonl"] = b""

    refuse(desk, rebuilt(archive, many), f"the cap is {MAX_FILES}")


def without(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.__delitem__(name)


@pytest.mark.parametrize(
    ("change", "rehash", "reason"),
    [
        (without("manifest.json"), False, "there is no manifest.json"),
        (put("manifest.json", b"{"), False, "not JSON"),
        (put("manifest.json", b"[" * 100_000), False, "not JSON"),
        (put("manifest.json", b'{"schema": "other"}'), False, "not of the schema"),
        (put("lab.py", b"x = 1"), False, "is not the file that manifest.json declares"),
        (put("starter.diff", b"x"), False, "is not the file"),
        (without("lab.py"), True, "lab.py is missing"),
        (put("config.yaml", b"a: &x [1]\nb: *x\n"), True, "holds an alias"),
        (put("config.yaml", b"a: !!python/object/apply:os.system [id]\n"), True, "holds a tag"),
        (put("config.yaml", b"a: ["), True, "not plain YAML"),
        (put("config.yaml", b"[" * 50_000), True, "nested more than"),
        (put("config.yaml", b"\xff\xfe"), True, "not UTF-8"),
        (put("arms/main/curve.jsonl", CURVE.encode()), True, "not a chained point"),
    ],
)
def test_contents_are_checked(
    desk: Desk, archive: Path, change: Callable[[dict[str, bytes]], None], rehash: bool, reason: str
) -> None:
    refuse(desk, rebuilt(archive, change, rehash=rehash), reason)


def test_a_changed_curve_breaks_its_chain(desk: Desk, archive: Path) -> None:
    def polish(files: dict[str, bytes]) -> None:
        name = "arms/main/curve.jsonl"
        files[name] = files[name].replace(b"2.5", b"1.5")

    refuse(desk, rebuilt(archive, polish), "curve.jsonl:1 does not follow")


def test_a_submission_of_another_lab_or_version_is_refused(desk: Desk, archive: Path) -> None:
    def rename(key: str, value: str) -> Callable[[dict[str, bytes]], None]:
        def change(files: dict[str, bytes]) -> None:
            manifest = json.loads(files["manifest.json"])
            files["manifest.json"] = json.dumps({**manifest, key: value}).encode()

        return change

    refuse(desk, rebuilt(archive, rename("lab", "lab01_mlp")), "not of lab90_tiny")
    refuse(desk, rebuilt(archive, rename("lab_version", "0")), "version 1 is graded here")


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_is_refused(desk: Desk, data: bytes) -> None:
    broken = desk.root / "broken.zip"
    broken.write_bytes(data)
    with pytest.raises(Ungradable):
        take_in(broken, desk.lab, desk.root / "in")


def test_fuzzed_archives_never_write_outside(desk: Desk, archive: Path) -> None:
    """100 damaged archives: each is taken in whole, or refused and leaves nothing."""
    original = archive.read_bytes()
    generator = torch.Generator().manual_seed(0)
    before = sorted(desk.root.rglob("*"))
    for number in range(100):
        data = bytearray(original)
        for place in torch.randint(len(data), (1 + number % 8,), generator=generator).tolist():
            data[place] = int(torch.randint(256, (1,), generator=generator))
        (desk.root / "submission.zip").write_bytes(data)
        target = desk.root / "in"
        try:
            take_in(archive, find_lab(desk.root, "90"), target)
        except Ungradable:
            assert not target.exists()
        else:
            for file in sorted(target.rglob("*"), reverse=True):
                file.unlink() if file.is_file() else file.rmdir()
            target.rmdir()
    assert sorted(desk.root.rglob("*")) == before
