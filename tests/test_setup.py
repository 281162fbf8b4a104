"""Set-up: the right Python, one environment, nothing done twice, nothing half made trusted.

The environments built here hold one empty package, so that each takes seconds; whoever only needs
one that is ready shares `built`, and leaves it ready.
"""

import fcntl
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dllab import bootstrap

REPO = Path(__file__).resolve().parent.parent
Done = subprocess.CompletedProcess[str]
PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "tiny"
version = "1"
optional-dependencies.dev = []
[tool.setuptools]
packages = []
"""


def make_project(folder: Path) -> Path:
    """A project with set-up and nothing else."""
    (folder / "src/dllab").mkdir(parents=True)
    shutil.copy(REPO / "src/dllab/bootstrap.py", folder / "src/dllab")
    (folder / "pyproject.toml").write_text(PROJECT)
    pins = (REPO / "constraints.txt").read_text().splitlines(keepends=True)
    (folder / "constraints.txt").write_text("".join(p for p in pins if "setuptools" in p))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def first_call(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A project, and what its first set-up said."""
    folder = make_project(tmp_path_factory.mktemp("built"))
    assert not ready(folder)
    return folder, set_up(folder, HOME=str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def built(first_call: tuple[Path, Done]) -> Path:
    """A project with an environment that is ready."""
    return first_call[0]


def environment(**changes: str) -> dict[str, str]:
    """uv is the one of the environment under test; another one is active, and not our business."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": "/another", **changes}


def set_up(project: Path, *arguments: str, python: str = sys.executable, **changes: str) -> Done:
    return subprocess.run(
        [python, "src/dllab/bootstrap.py", *arguments],
        cwd=project,
        env=environment(**changes),
        capture_output=True,
        text=True,
        check=False,
    )


def ready(project: Path) -> bool:
    return set_up(project, "--check").returncode == 0


@pytest.mark.parametrize("version", [(3, 11, 7), (3, 12, 0), (3, 13, 9)])
def test_supported_pythons(version: tuple[int, ...]) -> None:
    assert bootstrap.supported(version)


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 10, 13), (3, 14, 0), (4, 11, 0)])
def test_another_python_is_refused_with_what_to_install(
    version: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    found = ".".join(map(str, version))
    with pytest.raises(
        bootstrap.SetupError, match=rf"3\.11 to 3\.13 is needed, found {found}"
    ) as e:
        bootstrap.find_python(version)
    assert "apt install python3.11" in str(e.value)


def test_another_python_looks_for_the_right_one_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python3.11").write_text("#!/bin/sh\nexit 127\n")  # a shim with nothing behind it
    (tmp_path / "python3.12").symlink_to(sys.executable)
    (tmp_path / "python3.11").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert bootstrap.find_python((3, 8, 1)) == "python3.12"


def test_a_python_that_pyenv_keeps_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    kept = tmp_path / "versions/3.13.2/bin/python3.13"
    kept.parent.mkdir(parents=True)
    kept.symlink_to(sys.executable)
    assert bootstrap.find_python((3, 8, 1)) == bootstrap.find_version("3.13") == str(kept)
    assert bootstrap.find_version("3.12") == ""


def old_python() -> str | None:
    """A Python below 3.11 on this machine that runs, if there is one."""
    for name in ("python3.8", "python3.9", "python3.10"):
        roots = [Path.home() / ".pyenv/versions", Path("/root/.pyenv/versions")]
        pyenv = [
            p for root in roots if os.access(root, os.R_OK) for p in root.glob(f"*/bin/{name}")
        ]
        for path in filter(None, [shutil.which(name), *map(str, pyenv)]):
            if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
                return path
    return None


def test_an_old_python_gets_as_far_as_naming_a_new_one(project: Path) -> None:
    python = old_python()
    if python is None:
        pytest.skip("no Python below 3.11 on this machine")
    result = set_up(project, python=python, PATH="", PYENV_ROOT=str(project))
    assert result.returncode == 2
    assert "Python 3.11 to 3.13 is needed, found 3." in result.stderr
    assert "Traceback" not in result.stderr
    assert not (project / ".venv").exists()


def test_the_first_call_builds_and_the_second_is_free(first_call: tuple[Path, Done]) -> None:
    project, first = first_call
    assert first.returncode == 0, first.stderr
    assert "Building .venv" in first.stderr
    assert "The environment is ready." in first.stderr
    assert "tiny" not in first.stderr, "what is installed stands in the log, not in the way"
    assert "+ tiny==1" in (project / ".cache/setup.log").read_text()
    assert ready(project)
    second = set_up(project)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_every_python_of_the_environment_finds_the_project(first_call: tuple[Path, Done]) -> None:
    project, _ = first_call
    words = [project / ".venv/bin/python", "-c", "import sys; print(*sys.path, sep='\\n')"]
    done = subprocess.run(words, cwd="/", capture_output=True, text=True, check=True)
    assert str(project) in done.stdout.splitlines()
    assert done.stderr == "", "quiet, although this environment has no dllab"


@pytest.mark.in_turns
@pytest.mark.parametrize(
    "words",
    [
        ["-c", "import lightning, labs.lab06_ddp.lab, dllab"],
        [REPO / "labs/lab04_transfer/lab.py"],
    ],
)
def test_a14_any_import_works_first(words: list[str | Path]) -> None:
    """In an environment that `make` builds: lightning before dllab, a lab from anywhere."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


STEP = """
import sys
from pathlib import Path
sys.path.insert(0, "src/dllab")
import bootstrap
words = [sys.executable, "-c", "print('Resolved', '+ tiny==1', 'rest', sep=chr(10), end='')"]
bootstrap._stream(words, Path("log"), "Installing", Path())
"""


def test_a_terminal_sees_one_line_that_moves(project: Path) -> None:
    reader, writer = pty.openpty()
    words = [sys.executable, "-c", STEP]
    subprocess.run(words, cwd=project, stdout=writer, stderr=writer, check=True)
    os.close(writer)
    screen = os.read(reader, 1 << 16).decode()
    os.close(reader)
    *drawn, last = screen.removeprefix("\r\x1b[K").split("\r\x1b[K")
    assert drawn[0].startswith("Installing … 0 s")
    assert drawn[-1].endswith("+ tiny==1"), "the last whole line of what the step says"
    assert "\n" not in "".join(drawn)
    assert re.fullmatch(r"Installing: \d+ s\r\n", last)
    assert (project / "log").read_text().endswith("rest")


@pytest.mark.in_turns
def test_pip_does_the_work_where_uv_cannot_be_had(project: Path) -> None:
    with (project / "constraints.txt").open("a") as pins:
        pins.write("uv==0\n")
    result = set_up(project, PATH="/usr/bin:/bin")
    assert result.returncode == 0, result.stderr
    assert "pip does its work" in result.stderr
    assert ready(project)


@pytest.mark.in_turns
@pytest.mark.parametrize("path", [None, "/usr/bin:/bin"], ids=["uv", "pip"])
def test_m11_a_path_with_signs_of_urls_and_a_pip_that_installs_for_the_user(
    tmp_path: Path, path: str | None
) -> None:
    """`#` begins a fragment of a URL, `;` a marker, `[` extras: none of them does in a path."""
    project = make_project(tmp_path / "[2026] DL; #1")
    if path:
        with (project / "constraints.txt").open("a") as pins:
            pins.write("uv==0\n")
    result = set_up(project, PIP_USER="1", **({"PATH": path} if path else {}))
    assert result.returncode == 0, result.stderr
    assert ready(project)


@pytest.mark.in_turns
def test_changed_requirements_update_in_place(built: Path) -> None:
    marker = built / ".venv/marker"
    marker.touch()
    with (built / "constraints.txt").open("a") as pins:
        pins.write("iniconfig==2.3.1\n")
    assert not ready(built)
    result = set_up(built)
    assert result.returncode == 0, result.stderr
    with (built / "pyproject.toml").open("a") as settings:
        settings.write("[tool.ruff]\nline-length = 80\n")
    assert ready(built), "a lint rule is no requirement"
    assert marker.exists(), "a whole environment is brought up to date, not rebuilt"


@pytest.mark.in_turns
def test_a_broken_environment_is_not_trusted(built: Path) -> None:
    stamp, python = built / ".venv/dllab-stamp", built / ".venv/bin/python"
    away = stamp.rename(built / "stamp")
    assert not ready(built), "killed in the middle"
    away.rename(stamp)
    target = python.readlink()
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert not ready(built), "its interpreter is gone"
    python.unlink()
    python.symlink_to(target)
    assert ready(built)


@pytest.mark.in_turns
def test_a_moved_environment_is_rebuilt(built: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(built, tmp_path / "elsewhere", symlinks=True)
    assert not ready(moved)
    result = set_up(moved)
    assert result.returncode == 0, result.stderr
    assert ready(moved)
    assert (moved / ".venv/bin/pip").read_text().startswith(f"#!{moved}/.venv/")


@pytest.mark.in_turns
def test_an_environment_of_another_project_is_left_alone(built: Path, project: Path) -> None:
    (project / ".venv").symlink_to(built / ".venv")
    result = set_up(project)
    assert result.returncode == 0, result.stderr
    assert f".venv leads to {built / '.venv'}, not built for here" in result.stderr
    assert ready(project)
    assert ready(built)


@pytest.mark.in_turns
def test_a_failed_step_leaves_no_stamp_and_says_why(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        PROJECT.replace("[tool.", 'dependencies = ["a-package-that-nobody-has"]\n[tool.', 1)
    )
    nobody = "http://127.0.0.1:9"  # nobody listens: as good as no network
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), nobody)
    proxies |= {name.lower(): nobody for name in proxies}
    result = set_up(project, **proxies, UV_HTTP_RETRIES="0", PIP_RETRIES="0")
    assert result.returncode == 2
    assert "error: Failed to fetch" in result.stderr, "what the installer said"
    assert "The package registry cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr
    assert not ready(project)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("error: failed to write: No space left on device (os error 28)", "disk is full"),
        ("ERROR: [Errno 28] No space left on device", "disk is full"),
        ("error: Failed to fetch: https://… dns error: failed to lookup", "cannot be reached"),
        ("NewConnectionError: Temporary failure in name resolution", "cannot be reached"),
        ("The virtual environment was not created: ensurepip is not available", "python3-venv"),
        ("error: something else", "stands above"),
    ],
)
def test_what_a_failure_means(tmp_path: Path, output: str, reason: str) -> None:
    assert reason in bootstrap._reason(output, tmp_path)


def test_a_second_set_up_waits_for_the_first_and_finds_nothing_to_do(built: Path) -> None:
    stamp = built / ".venv/dllab-stamp"
    with (built / ".cache/setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unfinished = stamp.rename(built / "stamp")
        waiting = subprocess.Popen(
            [sys.executable, "src/dllab/bootstrap.py"],
            cwd=built,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waiting.stderr is not None
        assert "Another set-up is at work here" in waiting.stderr.readline()
        unfinished.rename(stamp)
    _, rest = waiting.communicate()
    assert (waiting.returncode, rest) == (0, "")
    assert ready(built)


def test_pip_settings_reach_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_FIND_LINKS", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_FIND_LINKS", "/one /two")
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    monkeypatch.setenv("UV_INDEX", "https://example.org/mine")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://example.org/theirs")
    settings = bootstrap._uv_settings([sys.executable, "-m", "pip"])
    assert settings["UV_FIND_LINKS"] == "/one,/two"
    assert settings["UV_DEFAULT_INDEX"] == "https://example.org/simple"
    assert "UV_INDEX" not in settings, "what is said to uv itself stays"


def test_set_up_outside_a_project_is_refused(project: Path) -> None:
    (project / "pyproject.toml").unlink()
    result = set_up(project)
    assert result.returncode == 2
    assert "not the project root" in result.stderr
