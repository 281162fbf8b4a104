"""Generate lab.py from the reference, and record its hash, so that both stay in step."""

import hashlib
import re

from dllab.errors import LabError
from dllab.lab.find import Lab
from dllab.lab.starter import make_starter

_HASH = re.compile(r"^starter_sha256:.*$", re.MULTILINE)


def is_fresh(lab: Lab) -> bool:
    """Whether lab.yaml's hash belongs to the reference, and lab.py is the starter or own work."""
    digest = hashlib.sha256(_starter(lab)).hexdigest()
    return digest == lab.spec.starter_sha256 and lab.code.is_file()


def strip(lab: Lab) -> None:
    """Write lab.py and its hash in lab.yaml from `_author/solution.py`.

    A lab.py that is neither the old starter nor the new one holds somebody's work: it is left
    alone, and a LabError says so.
    """
    starter = _starter(lab)
    digest = hashlib.sha256(starter).hexdigest()
    current = lab.code.read_bytes() if lab.code.is_file() else b""
    known = (lab.spec.starter_sha256, digest)
    if current and hashlib.sha256(current).hexdigest() not in known:
        raise LabError(
            f"{lab.code} holds work of its own: it is not the starter that lab.yaml records",
            f"save it elsewhere, then dllab reset {lab.number}",
        )
    spec_file = lab.folder / "lab.yaml"
    fresh = _with_hash(spec_file.read_text(encoding="utf-8"), digest)
    lab.code.write_bytes(starter)
    spec_file.write_text(fresh, encoding="utf-8")


def _starter(lab: Lab) -> bytes:
    return make_starter(lab.solution.read_text(encoding="utf-8"), str(lab.solution)).encode()


def _with_hash(text: str, digest: str) -> str:
    line = f"starter_sha256: {digest}"
    return _HASH.sub(line, text) if _HASH.search(text) else f"{text.rstrip()}\n{line}\n"
