"""Rows as plain columns, fast for ten thousand and the same in a pipe and a terminal; and as CSV
that a spreadsheet opens without running anything that a learner typed.
"""

import csv
import io
import unicodedata
from collections.abc import Collection, Iterable, Sequence

# What Excel, LibreOffice and Google Sheets take for the start of a formula, and its wide twins.
FORMULA_STARTS = tuple("=+-@＝＋－＠")  # noqa: RUF001 - the twins are meant


def columns(
    rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), right: Collection[int] = ()
) -> str:
    """Rows under a header, each column as wide as its widest cell; `right` are aligned so."""
    table = [*([header] if header else []), *rows]
    if not table:
        return ""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    template = "  ".join(
        f"{{:{'>' if i in right else '<'}{width}}}" for i, width in enumerate(widths)
    )
    return "\n".join(template.format(*row).rstrip() for row in table)


def cell(text: str) -> str:
    """One line of printable text; a formula becomes text by a leading apostrophe (OWASP)."""
    printable = "".join(" " if unicodedata.category(char) == "Cc" else char for char in text)
    tidy = " ".join(printable.split())
    return f"'{tidy}" if tidy.startswith(FORMULA_STARTS) else tidy


def for_spreadsheets(table: str) -> str:
    """CSV as a file: Excel takes it for UTF-8 by a mark, which goes where letters ask for one."""
    return table if table.isascii() else f"\ufeff{table}"


def write_table(rows: Iterable[Sequence[str]], *, quote_all: bool = False) -> str:
    """The rows as CSV; fields with commas or quotes are quoted, or all of them."""
    text = io.StringIO()
    writer = csv.writer(
        text, lineterminator="\n", quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    )
    writer.writerows(rows)
    return text.getvalue()
