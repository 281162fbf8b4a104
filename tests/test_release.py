"""The learners' copy: whole, working, and without a line of any solution."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from authoring_labs import write_kind
from data_sets import write_set

from dllab.authoring.leaks import secrets_of
from dllab.authoring.release import choose_labs
from dllab.cli.main import main
from dllab.lab.find import all_labs
from dllab.lab.starter import make_starter

REPO = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\((?!http)([^)#]+)")
CODE = re.compile(r"`[^`\n]*`|```.*?```", re.DOTALL)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A release of the first three labs, made once."""
    out = tmp_path_factory.mktemp("release") / "labs-for-learners"
    here = Path.cwd()
    os.chdir(REPO)
    try:
        assert main(["release", str(out), "--labs", "01-03"]) == 0
    finally:
        os.chdir(here)
    assert not list(out.rglob("__pycache__"))
    return out


def run(copy: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-P", "-m", *words],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_line_of_any_solution_is_in_the_copy(copy):
    solutions = [lab.solution.read_text() for lab in all_labs(REPO)[:3]]
    starters = "\n".join(map(make_starter, solutions))
    secrets = {line for text in solutions for line in secrets_of(text, starters)}
    assert len(secrets) > 60
    for path in [path for path in copy.rglob("*") if path.is_file()]:
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert [line for line in secrets if line in text] == [], path


def test_nothing_of_the_authors_is_in_the_copy(copy):
    names = {path.name for path in copy.rglob("*")}
    assert not names & {"_author", ".git", "runs", ".cache", "progress.json"}
    assert not names & {"bench", "CHANGELOG.md", "authors.md", "redteam"}
    commands = {path.name for path in (copy / "src/dllab/cli").iterdir()}
    assert not commands & {"doctor.py", "new.py", "calibrate.py", "release.py", "strip.py"}
    rooms = {path.name for path in (copy / "src/dllab/authoring").glob("*.py")}
    assert rooms == {"__init__.py", "desk.py", "notebook.py"}
    assert "WRITE:" not in (copy / "README.md").read_text()


def test_assistants_are_asked_to_teach(copy):
    text = " ".join((copy / "AGENTS.md").read_text().split())
    assert "Teach; do not solve" in text
    assert "dllab hint 01" in text
    for theirs in ("TODO", "`cases()`", "`forecast.yaml`", "`claims.yaml`"):
        assert theirs in text.partition("Please do not")[2]
    assert not (REPO / "AGENTS.md").exists()  # authors' assistants may write solutions


def test_every_link_leads_somewhere(copy):
    pages = [copy / "README.md", *copy.glob("docs/*.md"), *copy.glob("labs/*/README.md")]
    links = [(p, link) for p in pages for link in LINK.findall(CODE.sub("", p.read_text()))]
    assert len(pages) > 7
    assert len(links) > 6
    assert [(p, link) for p, link in links if not (p.parent / link).exists()] == []


def test_the_pages_name_no_command_that_is_not_there(copy):
    files = [*copy.glob("*.md"), *copy.glob("docs/*"), *copy.glob("labs/*/README.md")]
    text = "\n".join(path.read_text() for path in files)
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]*`|^    [^\n]*", text, re.DOTALL | re.MULTILINE))
    commands = set(re.findall(r"\bdllab ([a-z][a-z-]*)", code))
    assert commands > {"progress", "hint", "train"}
    here = {path.stem.replace("_", "-") for path in (copy / "src/dllab/cli").glob("*.py")}
    assert commands <= here
    targets = re.findall(r"^([\w%-]+):", (copy / "Makefile").read_text(), re.MULTILINE)
    asked = re.findall(r"(?:^ *|`|\$ )make ([a-z][\w-]*)", code, re.MULTILINE)
    assert {re.sub(r"-(\d\d|NN|)$", "-%", word) for word in asked} <= set(targets)


@pytest.mark.in_turns
def test_what_is_left_needs_nothing_of_what_is_not_there(copy):
    assert run(copy, "dllab", "--help").returncode == 0
    assert run(copy, "dllab", "notebook", "01").returncode == 0
    makefile = (copy / "Makefile").read_text()
    commands = set(re.findall(r"\$\(DLLAB\) ([\w-]+)", makefile))
    assert all((copy / f"src/dllab/cli/{name.replace('-', '_')}.py").is_file() for name in commands)
    named = re.findall(r"-r (\S+\.txt)", makefile)
    assert all((copy / name).is_file() for name in named)


def test_what_brings_it_up_to_date_is_said(copy):
    done = run(copy, "dllab", "update")
    assert done.returncode == 2
    assert "git pull" in done.stderr


@pytest.mark.in_turns
def test_all_labs_together_make_one_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(REPO)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "a")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@b")
    assert main(["release", str(tmp_path / "new"), "--git"]) == 0

    def git(*words):
        done = subprocess.run(
            ["git", *words], cwd=tmp_path / "new", capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert git("rev-list", "--all", "--count") == "1"
    assert git("status", "--porcelain", "--ignored") == ""  # what was searched is what is committed


def test_the_makefile_lists_what_learners_need(copy):
    listing = subprocess.run(["make"], cwd=copy, capture_output=True, text=True, check=True).stdout
    assert "make lab-NN" in listing
    assert "make test " in listing
    assert "make doctor" not in listing


def test_the_first_todo_is_named_and_no_reference_is_there(copy):
    program = f"DLLAB={shlex.quote(sys.executable)} -P -m dllab"
    first = subprocess.run(
        ["make", "-o", "setup", "lab-01", program],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert first.returncode == 2  # make turns every failure into 2
    assert "next TODO" in first.stderr
    assert "he-init, labs/lab01_mlp/lab.py:" in first.stderr
    assert "make watch-01" in first.stderr
    assert run(copy, "dllab", "train", "01", "impl=reference").returncode == 2


@pytest.mark.in_turns
@pytest.mark.slow
def test_its_own_tests_skip_what_is_open_and_pass_what_is_right(copy):
    fresh = run(copy, "pytest", "-q")
    assert fresh.returncode == 0, fresh.stdout
    assert "3 skipped" in fresh.stdout
    code = copy / "labs/lab01_mlp/lab.py"
    code.write_bytes((REPO / "labs/lab01_mlp/_author/solution.py").read_bytes())
    done = run(copy, "pytest", "-q")
    trained = run(copy, "dllab", "train", "01")
    reset = run(copy, "dllab", "reset", "01")
    assert "2 skipped" in done.stdout
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert reset.returncode == 0
    assert code.read_bytes() == (copy / "labs/lab01_mlp/starter.py").read_bytes()


def test_a_folder_in_use_and_a_course_file_that_is_not_there_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(REPO)
    (tmp_path / "mine").touch()
    assert main(["release", str(tmp_path)]) == 2
    assert (tmp_path / "mine").is_file()
    assert main(["release", str(tmp_path / "new"), "--course", str(tmp_path / "no.yaml")]) == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_data_of_a_lab_from_outside_comes_along(tmp_path, monkeypatch, capsys):
    """Beside the project's own sets, which are there as well."""
    course = tmp_path / "course"
    write_kind(REPO, "given", "95", parent=course)
    write_set(course / "data", "text", "notes")
    monkeypatch.chdir(REPO)
    monkeypatch.setenv("DLLAB_LABS", str(course))
    out = tmp_path / "copy"
    assert main(["release", str(out), "--labs", "95"]) == 0
    assert capsys.readouterr().out == f"{out}: 1 lab for learners; try `make -C {out} lab-95`\n"
    names = {path.parent.name for path in out.glob("data/*/dataset.yaml")}
    assert {"notes", "fashion_mnist"} <= names


def test_labs_are_chosen_by_ranges_and_names():
    assert [lab.number for lab in choose_labs(REPO, "02-03,01")] == ["02", "03", "01"]


def test_a16_no_page_of_a_learners_copy_promises_the_reference(repo: Path) -> None:
    """A released copy holds no solution: what its pages say must hold there."""
    templates = repo / "src/dllab/authoring/templates"
    pages = [*repo.glob("labs/*/README.md"), *templates.rglob("README.md.j2")]
    assert len(pages) > 7
    wrong = re.compile(r"runs\s+the\s+reference|not\s+touched\s+it|untouched.{0,40}reference")
    assert [page.parent.name for page in pages if wrong.search(page.read_text("utf-8"))] == []
