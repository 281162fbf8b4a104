"""The text of a Python file, as the interpreter reads it.

The interpreter runs files that `tokenize.detect_encoding`, and so `linecache` and `inspect`, cannot
read: the line that declares an encoding may hold letters of it, and a lone carriage return ends a
line.
"""

import codecs
import io
import linecache
import tokenize
from pathlib import Path


def encoding_of(source: bytes) -> str:
    """The name of the encoding: from a byte order mark, the declaration of PEP 263, or UTF-8.

    Raises SyntaxError where it is unknown, or is not UTF-8 behind a byte order mark.
    """
    mark = codecs.BOM_UTF8 if source.startswith(codecs.BOM_UTF8) else b""
    ascii_only = _lines(source.removeprefix(mark), "ascii", "replace").encode("ascii", "replace")
    return tokenize.detect_encoding(io.BytesIO(mark + ascii_only).readline)[0]


def decoded(source: bytes) -> str:
    """The text, each line ended by a newline. Raises SyntaxError, or UnicodeDecodeError."""
    return _lines(source, encoding_of(source), "strict")


def _lines(source: bytes, encoding: str, errors: str) -> str:
    return io.TextIOWrapper(io.BytesIO(source), encoding, errors).read()


def keep_lines(path: Path) -> None:
    """Let tracebacks, and checks of code, read a file's lines where `linecache` itself cannot."""
    linecache.checkcache(str(path))
    if linecache.getlines(str(path)):
        return
    try:
        lines = decoded(path.read_bytes()).splitlines(keepends=True)
    except (OSError, SyntaxError, UnicodeDecodeError):
        return  # the import says more
    found = path.stat()
    linecache.cache[str(path)] = found.st_size, found.st_mtime, lines, str(path)
