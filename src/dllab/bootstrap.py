"""Build an environment, once: run by `make` before anything is installed.

    python3 src/dllab/bootstrap.py [.venv]           build, update or repair; nothing to do is free
    python3 src/dllab/bootstrap.py --check [.venv]   exit 0 if the environment is ready, else 1
    python3 src/dllab/bootstrap.py --find 3.12       the path of such a Python, else exit 1

Standard library only, and old enough Python syntax that any Python from 3.8 on gets as far as
naming the one it needs. What is installed: pyproject.toml says which packages, constraints.txt
which versions. No version there names a CPU or CUDA build, so the same files serve every machine.

A stamp inside the environment holds the hashes of all that it depends on. It is removed before the
first change and written after the last, so an environment without a stamp is half made: it is
thrown away and built anew, never trusted.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TextIO

MINIMUM, MAXIMUM = (3, 11), (3, 13)
VERSIONS = ("3.11", "3.12", "3.13")  # 3.11 first: the one that all tests are run on
TABLES = ("build-system", "project", "tool.setuptools")  # of pyproject.toml
STAMP = "dllab-stamp"
LOG = ".cache/setup.log"
# What each Python of the environment imports as it starts.
HOOK = Path(__file__).with_name("torchvision_hook.py")
NEEDED_GB = 4  # CPU build of torch and all else: 2 GB installed, the rest in passing
PIP_TO_UV = {
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
}


NO_WINDOWS = """\
dllab does not run on Windows itself, but does in Windows' own Linux (WSL). In PowerShell:
  wsl --install
then restart, open Ubuntu, and run the same command there, in its home and not in /mnt/c."""


class SetupError(Exception):
    """Set-up cannot go on; the message says why and what to do."""


# --- is it ready? ---------------------------------------------------------------------------------


def foundation(venv: Path) -> str:
    """What an environment cannot outlive: the place it was built in, and its Python."""
    return _hash(str(venv.parent), _text(venv / "pyvenv.cfg"))


def requirements(root: Path) -> str:
    """What an environment can be brought up to date with: the packages and their versions."""
    tables = f"\n{_text(root / 'pyproject.toml')}".split("\n[")
    relevant = [table.strip() for table in tables if table.startswith(TABLES)]  # a lint rule is not
    return _hash("\n".join(relevant), _text(root / "constraints.txt"), _text(HOOK))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_whole(venv: Path) -> bool:
    """Whether an environment was once finished, here, and its Python still runs."""
    runnable = os.access(venv / "bin/python", os.X_OK)  # False for a dangling link
    return runnable and _stamp(venv)[:1] == [foundation(venv)]


def is_ready(root: Path, venv: Path) -> bool:
    """Whether it is whole and built from the requirement files as they are now."""
    return is_whole(venv) and _stamp(venv)[1:] == [requirements(root)]


def _stamp(venv: Path) -> list[str]:
    return _text(venv / STAMP).splitlines()


# --- which Python? --------------------------------------------------------------------------------


def supported(version: tuple[int, ...]) -> bool:
    """Whether dllab runs on this version of Python."""
    return MINIMUM <= tuple(version[:2]) <= MAXIMUM


def find_python(version: tuple[int, ...]) -> str:
    """This interpreter if its `version` will do, else the first on this machine that does."""
    if supported(version):
        # Started from .venv, this names the Python below it, which survives a rebuild.
        return str(getattr(sys, "_base_executable", None) or sys.executable)
    for wanted in VERSIONS:
        python = find_version(wanted)
        if python:
            return python
    found = ".".join(str(part) for part in version[:3])
    raise SetupError(
        f"Python 3.11 to 3.13 is needed, found {found} ({sys.executable}).\n"
        "Install one and run the same command again:\n"
        "  Debian, Ubuntu   sudo apt install python3.11 python3.11-venv   (or 3.12, 3.13)\n"
        "  macOS            brew install python@3.13\n"
        "  anywhere         uv python install 3.13, or https://www.python.org/downloads\n"
        "One that is not on PATH can be named: make setup PYTHON=/path/to/python3.13"
    )


def find_version(wanted: str) -> str:
    """A Python of this version (`3.12`): on PATH, or one of pyenv's; empty where there is none."""
    name = f"python{wanted}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    kept = [str(path) for path in pyenv.glob(f"versions/{wanted}.*/bin/{name}")]
    for python in (name, *sorted(kept, key=lambda path: (-len(path), path))):
        if _succeeds([python, "-c", "import sys, ensurepip"]):
            return python
    return ""


# --- building -------------------------------------------------------------------------------------


def build(root: Path, venv: Path, python: str) -> None:
    """Build an environment, or bring a whole one up to date; the stamp comes last."""
    import shutil

    stamp = venv / STAMP
    whole = is_whole(venv)
    if venv.is_symlink() and not whole:
        _say(f"{venv.name} leads to {os.path.realpath(venv)}, not built for here: unlinking it.")
        venv.unlink()  # the link alone: what it leads to may be in use elsewhere
    stamp.unlink(missing_ok=True)
    if venv.exists() and not whole:
        _say("The environment is half made, moved or without its Python: building it anew.")
        shutil.rmtree(venv)
    if not whole:
        _say(f"Building {venv.name} with {python} (once; a minute or two) …")
        _run([python, "-m", "venv", str(venv)], root, "create the environment")
    install = [*_installer(root, venv), "-c", str(root / "constraints.txt")]
    # setuptools first, so that dllab itself is built without downloading a second one
    _run([*install, "setuptools"], root, "install setuptools")
    # by its name from here: what a path may hold, `#` or `;`, means something in a requirement
    dllab = ["--no-build-isolation", "-e", ".[dev]"]
    _run([*install, *dllab], root, "install the packages", "Installing PyTorch and friends")
    for packages in venv.glob("lib/python3*/site-packages"):
        _write_hook(root, packages)
    stamp.write_text(f"{foundation(venv)}\n{requirements(root)}\n")


def _write_hook(root: Path, packages: Path) -> None:
    """Let `labs` be imported from anywhere, by an editor too, and torchvision before dllab."""
    lines = [str(root)]
    if HOOK.exists():
        (packages / "dllab_torchvision_hook.py").write_text(_text(HOOK), encoding="utf-8")
        lines.append("import dllab_torchvision_hook")
    (packages / "dllab.pth").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _installer(root: Path, venv: Path) -> list[str]:
    """`uv pip install` where uv can be had, three to five times faster; else `pip install`."""
    import shutil

    python = str(venv / "bin/python")
    pip = [python, "-m", "pip"]
    quiet = ["install", "--quiet", "-c", str(root / "constraints.txt"), "uv"]
    uv = shutil.which("uv")
    if not (uv and _succeeds([uv, "--version"])):
        uv = str(venv / "bin/uv")
        if not _succeeds([uv, "--version"]) and not _succeeds([*pip, *quiet]):
            _say("uv cannot be had: pip does its work, more slowly.")
            return [*pip, "install"]
    os.environ.update(_uv_settings(pip))
    # named, since uv would rather take an environment that happens to be active
    return [uv, "pip", "install", "--python", python]


def _succeeds(command: list[str]) -> bool:
    import subprocess

    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _uv_settings(pip: list[str]) -> dict[str, str]:
    """What pip is configured to use, in uv's words: uv does not read pip's configuration.

    Where several indexes are set, uv takes the best version of all, as pip does. Whatever is
    already said to uv itself stays.
    """
    import subprocess

    listing = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False)
    settings = {"UV_COMPILE_BYTECODE": "1", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    # the environment is listed first and outranks the files, so it is read last
    for line in reversed(listing.stdout.splitlines()):
        key, _, value = line.partition("=")
        name = PIP_TO_UV.get(key.rpartition(".")[2])
        if name:
            separator = "," if name == "UV_FIND_LINKS" else " "
            settings[name] = separator.join(value.strip("'\"").replace("\\n", " ").split())
    return {name: value for name, value in settings.items() if name not in os.environ}


def _run(command: list[str], root: Path, what: str, title: str = "") -> None:
    """Run one step; its `title`, where it has one, is a line that shows how far the step has got.

    What the step itself says goes into the log; it is shown only where the step fails.
    """
    code, output = _stream(command, root / LOG, title, root)
    if code != 0:
        _say(output)
        raise SetupError(f"Set-up could not {what}.\n{_reason(output, root)}")


def _stream(command: list[str], log: Path, title: str, cwd: Path) -> tuple[int, str]:
    """Run a command in `cwd`, add what it prints to `log`; its exit code, and the end of that."""
    import select
    import subprocess
    import time

    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env["PIP_USER"] = "0"  # an environment has no packages of the user's
    begin, output, line = time.monotonic(), b"", _Line(title)
    reader, writer = os.pipe()
    with log.open("ab") as file, subprocess.Popen(
        command, cwd=cwd, stdout=writer, stderr=writer, env=env
    ) as process:
        os.close(writer)
        while True:
            line.show(time.monotonic() - begin, output)
            if not select.select([reader], [], [], 1)[0]:
                continue
            chunk = os.read(reader, 1 << 16)
            if not chunk:
                break
            file.write(chunk)
            output = (output + chunk)[-20_000:]
    os.close(reader)
    line.end(time.monotonic() - begin)
    return process.returncode, output.decode(errors="replace")


class _Line:
    """One line about a step: drawn over and over in a terminal, said once anywhere else."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._drawn = bool(title) and sys.stderr.isatty()
        if title and not self._drawn:
            _say(f"{title} …")

    def show(self, seconds: float, output: bytes) -> None:
        """The time so far and what the installer is at, as far as one line holds it."""
        if self._drawn:
            import shutil

            said = output.decode(errors="replace").split("\n")[-2:]
            text = f"{self._title} … {seconds:.0f} s  {said[0].strip()}"
            self._draw(text[: shutil.get_terminal_size().columns - 1])

    def end(self, seconds: float) -> None:
        """How long it took."""
        if self._drawn:
            self._draw(f"{self._title}: {seconds:.0f} s\n")

    def _draw(self, text: str) -> None:
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def _reason(output: str, root: Path) -> str:
    """The likely cause of a failed step, from what the installer said last."""
    import shutil

    text = output.lower()
    free = shutil.disk_usage(root).free / 1e9
    if free < 0.1 or any(sign in text for sign in ("no space left", "os error 28", "disk quota")):
        return (
            f"The disk is full: {free:.1f} GB free here, about {NEEDED_GB} GB needed "
            "(10 GB where torch brings CUDA). Free some and run the same command again."
        )
    if any(
        sign in text
        for sign in (
            "dns error",
            "name resolution",
            "connection",
            "timed out",
            "failed to fetch",
            "network is unreachable",
        )
    ):
        return (
            "The package registry cannot be reached. Check the network (and HTTPS_PROXY, "
            "PIP_INDEX_URL if you need them) and run the same command again."
        )
    if "ensurepip" in text:
        return "Python's venv module is not whole. On Debian and Ubuntu: apt install python3-venv"
    return "The reason stands above. Nothing half made is kept: run the same command again."


# --- the command ----------------------------------------------------------------------------------


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _mention_missing_programs() -> None:
    import shutil

    if sys.platform == "linux" and not shutil.which("bwrap"):
        _say(
            "bubblewrap is not installed. Labs train and practice grades work without it; official "
            "grading needs it to run learner code apart (Debian, Ubuntu: apt install bubblewrap)."
        )


def set_up(root: Path, venv: Path) -> None:
    """Make it ready. One set-up at a time: a second one waits, then finds nothing to do."""
    if is_ready(root, venv):
        return
    if not (root / "pyproject.toml").exists():
        raise SetupError(f"{root} is not the project root: run this where pyproject.toml lies.")
    python = find_python(sys.version_info[:3])
    (root / ".cache").mkdir(exist_ok=True)
    with (root / ".cache/setup.lock").open("w") as lock:
        _wait_for_others(lock)
        if not is_ready(root, venv):
            (root / LOG).write_bytes(b"")
            build(root, venv, python)
            _mention_missing_programs()
            _say("The environment is ready.")


def _wait_for_others(lock: TextIO) -> None:
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say("Another set-up is at work here; waiting for it …")
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:  # ENOLCK: some network file systems have no locks
        _say(f"No lock can be had here ({error.strerror}): let no other set-up run meanwhile.")


def main(arguments: list[str], root: Path | None = None) -> int:
    """Exit code 0: ready; 1: not ready (--check) or not here (--find); 2: it cannot be made so."""
    if sys.platform == "win32":
        _say(NO_WINDOWS)
        return 2
    root = root or Path.cwd()
    words = [word for word in arguments if not word.startswith("--")]
    if "--find" in arguments:
        python = find_version(words[0])
        print(python)
        return 0 if python else 1
    venv = root / (words[0] if words else ".venv")
    if "--check" in arguments:
        return 0 if is_ready(root, venv) else 1
    try:
        set_up(root, venv)
    except SetupError as error:
        _say(f"\n{error}")
        return 2
    except KeyboardInterrupt:
        _say("\nStopped. The next call starts over.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
