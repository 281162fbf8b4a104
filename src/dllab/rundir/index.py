"""What was read of each run's files, kept in a database, so that the next list opens none of them.

A row holds as long as the files have the stamps that they were read with. The index is nobody's
record: whoever deletes it loses time, and where it is damaged or cannot be written all is read.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

PATIENCE_S = 1.0
FILES = ("run.json", "result.json")
BEYOND_REPAIR = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)

Read = TypeVar("Read")


def remembered(
    index: Path,
    folders: Iterable[str],
    model: type[Read],
    form: str,
    read: Callable[[str], Read | None],
) -> list[Read | None]:
    """What `read` makes of each folder's files, a `model`; None is not kept.

    Folders are below that of the index. `form` names the shape of the model and how it is read:
    rows of another form are read anew.
    """
    rows: list[Read | None] = []
    known, fresh, as_json = _known(index, form), {}, TypeAdapter(model)
    for folder in folders:
        stamp = _stamp(f"{index.parent}/{folder}")
        before, row = known.get(folder, ("", ""))
        if stamp == before:
            rows.append(as_json.validate_json(row))
            continue
        if (values := read(folder)) is not None:
            fresh[folder] = (stamp, as_json.dump_json(values).decode())
        rows.append(values)
    if fresh:
        _keep(index, form, fresh)
    return rows


def _stamp(folder: str) -> str:
    """Another one whenever a file is written: they are replaced whole, so the inode changes too."""
    stamps = []
    for name in FILES:
        try:
            about = os.stat(f"{folder}/{name}")  # noqa: PTH116 - Paths for ten thousand cost a second
        except OSError:
            stamps.append("-")
        else:
            stamps.append(f"{about.st_mtime_ns},{about.st_size},{about.st_ino}")
    return " ".join(stamps)


def _known(index: Path, form: str) -> Mapping[str, tuple[str, str]]:
    """Stamp and row by folder."""
    with suppress(sqlite3.Error), _open(index) as db:
        rows = db.execute("SELECT folder, stamp, row FROM runs WHERE form = ?", (form,))
        return {folder: (stamp, row) for folder, stamp, row in rows}
    return {}


def _keep(index: Path, form: str, fresh: Mapping[str, tuple[str, str]]) -> None:
    rows = [(folder, form, *row) for folder, row in fresh.items()]
    try:
        with _open(index) as db, db:
            db.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", rows)
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF in BEYOND_REPAIR:  # the rest says more of the kind
            with suppress(OSError):
                index.unlink()


@contextmanager
def _open(index: Path) -> Iterator[sqlite3.Connection]:
    """Closed at the end, also where the file turns out not to be an index."""
    with closing(sqlite3.connect(index, timeout=PATIENCE_S)) as db:
        db.execute("CREATE TABLE IF NOT EXISTS runs (folder PRIMARY KEY, form, stamp, row)")
        yield db
