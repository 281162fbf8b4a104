"""Hash everything again: committed files, partitions, downloads and decoded caches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dllab.data.cache import read
from dllab.data.catalog import RESTORE, cache_folder, catalog
from dllab.data.description import Source
from dllab.data.fetch import Wanted, download_folder
from dllab.data.files import DataError, check_sha256
from dllab.data.weights import all_weights


@dataclass(frozen=True)
class FileFinding:
    """One file: what is wrong with it (empty when all is well) and how to mend it."""

    path: Path
    problem: str = ""
    hint: str = ""

    @property
    def ok(self) -> bool:
        """Whether the file is as it should be."""
        return not self.problem


def verify() -> Iterator[FileFinding]:
    """One finding per file, as they are checked."""
    for dataset in catalog().values():
        for file, sha256 in dataset.built.files.items():
            yield _check(dataset.folder / file, sha256, RESTORE)
        yield from _downloads(dataset, dataset.about.sources)
    for weights in all_weights().values():
        yield from _downloads(weights, weights.about.sources)
    for cache in sorted(cache_folder().glob("*.safetensors")):
        damaged = read(cache) is None
        problem = f"{cache} is damaged" if damaged else ""
        yield FileFinding(
            cache, problem, "delete it: it is made anew when needed" if damaged else ""
        )


def _downloads(wanted: Wanted, sources: Iterable[Source]) -> Iterator[FileFinding]:
    for source in sources:
        for file, sha256 in source.files.items():
            path = download_folder(wanted) / file
            if sha256 and path.is_file():
                again = f"fetch it again with: dllab data get {wanted.name}"
                yield _check(path, sha256, again)


def _check(path: Path, sha256: str, again: str) -> FileFinding:
    try:
        check_sha256(path, sha256, again)
    except DataError as error:
        return FileFinding(path, error.what, error.hint)
    return FileFinding(path)
