"""What people and their programs do to a submission on its way: none of it costs a grade."""

import hashlib
import inspect
import io
import json
import linecache
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from official_lab import HONEST, Stage, make_stage, unzipped

from dllab.checks.tools import words_in
from dllab.cli import main
from dllab.errors import LearnerError, Ungradable
from dllab.grading import official
from dllab.lab.code import import_code
from dllab.lab.find import Lab
from dllab.lab.todo import open_todos
from dllab.submission.handed_in import pack_folder, submission_id
from dllab.submission.intake import take_in


@pytest.fixture
def stage(tmp_path: Path, one_wall: None, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = make_stage(tmp_path)
    monkeypatch.chdir(stage.root)
    return stage


def grade(stage: Stage, subject: Path) -> dict[str, Any]:
    words = ["grade", str(subject), "--official", "--hidden", str(stage.hidden)]
    main([*words, "--json", "result.json"])
    return dict(json.loads(Path("result.json").read_text()))


def rezip(archive: Path, names: Callable[[str], str], *more: str) -> Path:
    """The same files, packed again by a file manager that adds folders and files of its own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name in more:
            made.writestr(name, b"" if name.endswith("/") else b"\0\5\x16\7")
        for name, content in unzipped(archive).items():
            made.writestr(names(name), content)
    archive.write_bytes(buffer.getvalue())
    return archive


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_h5_a_strict_umask_of_the_grader_costs_nothing(stage: Stage, umask: None) -> None:
    assert grade(stage, stage.submit("ada"))["passed"]


@pytest.mark.parametrize(
    ("around", "more"),
    [
        ("", ("__MACOSX/._lab.py", "__MACOSX/", ".DS_Store", "arms/", "arms/main/._curve.jsonl")),
        ("submission 2/", ("submission 2/", "submission 2/arms/", "__MACOSX/submission 2/._x")),
        ("Übung [1]/", ("Übung [1]/Thumbs.db", "desktop.ini")),
    ],
    ids=["mac", "mac-folder", "windows"],
)
def test_m13_an_archive_packed_again_is_taken_in(
    stage: Stage, around: str, more: tuple[str, ...]
) -> None:
    archive = rezip(stage.submit("ada"), lambda name: around + name, *more)
    taken = take_in(archive, stage.lab, stage.root / "in")
    assert taken.run.code.read_bytes() == stage.lab.code.read_bytes()
    assert sorted(taken.manifest.files) == sorted(
        file.relative_to(taken.run.path).as_posix()
        for file in taken.run.path.rglob("*")
        if file.is_file() and file.name != "manifest.json"
    )


@pytest.mark.parametrize("around", ["../", "./", "/", "a/b/"])
def test_m13_one_folder_around_it_and_no_way_out(stage: Stage, around: str) -> None:
    archive = rezip(stage.submit("ada"), lambda name: around + name)
    with pytest.raises(Ungradable):
        take_in(archive, stage.lab, stage.root / "in")
    assert not (stage.root / "in").exists()


def test_m13_the_result_says_what_to_do(stage: Stage) -> None:
    archive = rezip(stage.submit("ada"), lambda name: name, "notes.txt")
    what, _, hint = grade(stage, archive)["reason"].partition("; ")
    assert what == "'notes.txt' is not a file of a submission"
    assert hint == "hand in the file that `dllab submit` makes"


def unpack(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder


def test_m12_an_unpacked_submission_is_graded_as_what_it_was(stage: Stage) -> None:
    archive = stage.submit("ada")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    folder = unpack(archive, stage.root / "ada")
    (folder / ".DS_Store").write_bytes(b"x")
    result = grade(stage, folder)
    assert result["passed"]
    assert result["submission"]["id"] == digest == submission_id(folder)
    assert result["submission"]["learner"] == "ada"


def test_m12_links_are_not_followed(stage: Stage) -> None:
    folder = unpack(stage.submit("ada"), stage.root / "ada")
    (folder / "starter.diff").unlink()
    (folder / "starter.diff").symlink_to("/etc/passwd")
    with pytest.raises(Ungradable, match="is a link"):
        pack_folder(folder)


def test_f11_the_id_is_that_of_the_bytes_that_were_graded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who swaps the archive while it is graded does not get that grade for the other bytes."""
    archive = stage.submit("ada")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    graded = official.grade_run

    def swap(*args: object, **options: object) -> object:
        archive.write_bytes(b"other bytes")
        return graded(*args, **options)

    monkeypatch.setattr(official, "grade_run", swap)
    result = grade(stage, archive)
    assert result["passed"]
    assert result["submission"]["id"] == digest


UMLAUT = HONEST.replace('"""', '"""Grüße. ', 1)


@pytest.mark.parametrize(
    "code",
    [
        b"\xef\xbb\xbf" + UMLAUT.encode(),
        UMLAUT.replace("\n", "\r\n").encode(),
        b"# -*- coding: latin-1 -*-\n" + UMLAUT.encode("latin-1"),
    ],
    ids=["bom", "crlf", "latin-1"],
)
def test_m1_any_encoding_that_python_reads_is_graded(stage: Stage, code: bytes) -> None:
    path = stage.root / "mine.py"
    path.write_bytes(code)
    assert open_todos(path) == []
    archive = stage.rebuild(stage.submit("ada"), lambda files: files.update({"lab.py": code}))
    result = grade(stage, archive)
    assert (result["verdict"], result["passed"]) == ("graded", True), result["reason"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (UMLAUT.encode("utf-16"), "it is UTF-16"),
        (UMLAUT.encode("latin-1"), "line 1 is not utf-8"),
        (b"x = 1\ny = '\0'\n", "line 2 holds a NUL byte"),
        (b"# coding: klingon\n", "unknown encoding.*klingon"),
        (b"# gr\xfc\xdfe, coding: klingon\n", "unknown encoding.*klingon"),
    ],
    ids=["utf-16", "latin-1", "nul", "cookie", "cookie beside letters"],
)
def test_m1_what_python_cannot_read_is_told(tmp_path: Path, code: bytes, why: str) -> None:
    path = tmp_path / "lab.py"
    path.write_bytes(code)
    with pytest.raises(LearnerError, match=why) as told:
        open_todos(path)
    assert "UTF-8" in told.value.hint


LETTERS = 'def speak(path, enc="ascii"):\n    return dict(said="größer", encoding=enc)\n'


@pytest.mark.parametrize(
    "code",
    [
        b"\xef\xbb\xbf" + f"# größer, coding: utf-8\n{LETTERS}".encode(),
        f"# größer, coding: latin-1\n{LETTERS}".encode("latin-1"),
        f"#!/usr/bin/python\n# größer, coding: cp1252\n{LETTERS}".encode("cp1252"),
        f"# größer, coding: mac-roman\n{LETTERS}".encode("mac-roman"),
        f"# mine\n{LETTERS}".replace("\n", "\r").encode(),
        f"# mine\n# größer, coding: latin-1\n{LETTERS}".replace("\n", "\r").encode("latin-1"),
    ],
    ids=["bom", "latin-1", "second line", "mac-roman", "cr", "cr and latin-1"],
)
def test_m1_checks_and_tracebacks_read_the_lines_that_python_runs(
    tmp_path: Path, code: bytes
) -> None:
    """The standard library reads fewer files than the interpreter runs: these are lines apart."""
    folder = tmp_path / "labs" / "lab90_letters"
    folder.mkdir(parents=True)
    path = folder / "lab.py"
    path.write_bytes(code)
    speak = import_code(Lab(tmp_path, folder), path, ["speak"]).speak
    assert speak(path)["said"] == "größer"
    assert inspect.getsource(speak) == LETTERS
    assert "enc" in words_in(speak)
    path.write_text("def speak():\n    return 1\n")
    linecache.checkcache(str(path))
    assert linecache.getline(str(path), 2) == "    return 1\n"  # what has changed is read anew


def test_m1_a_mistake_in_syntax_is_told_beside_letters_in_the_declaration(tmp_path: Path) -> None:
    path = tmp_path / "lab.py"
    path.write_bytes("# größer, coding: latin-1\nx = (1,\n".encode("latin-1"))
    with pytest.raises(LearnerError, match=r"line 2: .*never closed"):
        open_todos(path)
