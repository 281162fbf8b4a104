"""A progress bar for downloads that other programs do: it watches what arrives in a folder."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

EVERY_S = 0.2


@contextmanager
def watch_folder(label: str, folder: Path, total: int | None) -> Iterator[None]:
    """Show the growth of `folder` up to `total` bytes, if known; outside a terminal, one line."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(label, highlight=False)
        yield
        return
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=total)
        done = threading.Event()

        def follow() -> None:
            while not done.wait(EVERY_S):
                bar.update(task, completed=_size(folder))

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            bar.update(task, completed=_size(folder))


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # a file may be renamed under our eyes
            size += path.stat().st_size if path.is_file() else 0
    return size
