"""Environments of a test's own, with links to the packages of this one; and dllab's wheel."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dllab.authoring.packaged import ARCHIVE

REPO = Path(__file__).resolve().parent.parent
# What uv has unpacked before is linked from there; the home of a test would have it all anew.
UV_CACHE = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache/uv")


def environment(folder: Path, names: Iterable[str]) -> Path:
    """The Python of a new environment that holds these distributions and nothing else."""
    venv.create(folder, symlinks=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    install(folder / "lib" / version / "site-packages", names)
    return folder / "bin/python"


def brought_by(wanted: str) -> set[str]:
    """The distributions that installing a requirement brings, itself included."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(wanted)]
    while waiting:
        one = waiting.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key not in found:
            found.add(key)
            needs = map(Requirement, distribution(one.name).requires or ())
            waiting += [need for need in needs if is_wanted(need, one.extras or {""})]
    return {name for name, _ in found}


def is_wanted(need: Requirement, extras: Iterable[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras)


def install(site: Path, names: Iterable[str]) -> None:
    """Put distributions of this environment into another folder of packages."""
    ours = Path(sysconfig.get_path("purelib"))
    for name in names:
        for file in distribution(name).files or ():
            if ".." not in file.parts and not (site / file).exists():
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                link(ours / file, site / file)


def link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copyfile(source, target)


def build_wheel(archive: Path, folder: Path) -> Path:
    """Build dllab's wheel with this archive of labs, in a new folder."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in ("src", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        copy = shutil.copytree if (REPO / name).is_dir() else shutil.copyfile
        copy(REPO / name, source / name)
    shutil.copyfile(archive, source / "src/dllab/authoring" / ARCHIVE.name)
    uv = Path(sys.executable).with_name("uv")
    build = [uv, "build", "--quiet", "--wheel", "-o", folder / "dist"]
    subprocess.run(build, cwd=source, env={**os.environ, "UV_CACHE_DIR": UV_CACHE}, check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel
