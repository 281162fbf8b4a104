"""Shakespeare's plays from Markdown, one a file."""

import re
from pathlib import Path

from dllab.data.files import DataError
from dllab.data.rows import Rows


def read(folder: Path) -> Rows:
    """All plays by title. Speakers become `NAME:` lines."""
    paths = sorted(folder.rglob("plays/*/*.md"), key=lambda path: path.stem)
    if not paths:
        raise DataError(f"no plays in {folder}", "fetch the package again")
    titles = [path.stem.replace("-", " ") for path in paths]
    return {"title": titles, "text": [_plain(path.read_text(encoding="utf-8")) for path in paths]}


def _plain(markdown: str) -> str:
    """Markdown of a play as plain text: no heading marks, `**NAME**` to `NAME:`, `_x_` to `[x]`."""
    text = re.sub(r"^#+ ", "", markdown, flags=re.MULTILINE)
    text = re.sub(r"^\*\*(.+?)\*\* *$", lambda m: f"{m[1].upper()}:", text, flags=re.MULTILINE)
    text = re.sub(r"_([^_]+)_", r"[\1]", text)
    text = re.sub(r" +$", "", text, flags=re.MULTILINE).replace("—", "--")
    return text.strip() + "\n\n"
