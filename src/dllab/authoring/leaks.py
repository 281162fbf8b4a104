"""Solution text where learners could read it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dllab.lab.starter import solution_regions

MIN_CHARS = 16
# `optimizer.step()` alone is the vocabulary of the library; `return logits` gives nothing away, nor
# do `if p.grad is None:`, `if not self.training:`, `random.seed(seed)`, `for _ in range(steps):`,
# `with torch.no_grad():` and `C = logits.shape[1]`.
_BARE = re.compile(
    r"(return )?[\w.]+\(\)?|return [\w.]+|\w+ = [\w.]+(\(\)|\[-?\d+\])?"
    r"|if (not )?[\w.]+( is (not )?None)?:|[\w.]+\(\w+\)|for \w+ in \w+\(\w+\):|with [\w.]+\(\):"
)


@dataclass(frozen=True)
class Leak:
    """A line of a solution region, and where it stands."""

    path: Path
    line: int
    text: str


def secrets_of(solution: str, starter: str) -> list[str]:
    """The lines of the solution regions that a learner must come up with.

    Left out are comments, what the starter shows elsewhere anyway, lines shorter than 16
    characters, bare names, calls, sizes, contexts and loops, and guards by a name or None.
    """
    lines = solution.splitlines()
    found = {
        line.strip()
        for first, last in solution_regions(solution).values()
        for line in lines[first - 1 : last]
    }
    return sorted(line for line in found if _is_secret(line) and line not in starter)


def texts_of(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """The files that are text, as git tells it: no zero stands at their beginning."""
    for path in paths:
        content = path.read_bytes()
        if b"\0" not in content[:8000]:
            yield path, content.decode(errors="ignore")


def leaks_of(solution: str, starter: str, texts: Iterable[tuple[Path, str]]) -> Iterator[Leak]:
    """Every place in the texts where a secret line of the solution stands."""
    secrets = secrets_of(solution, starter)
    for path, text in texts:
        for secret in secrets:
            at = text.find(secret)
            if at >= 0:
                yield Leak(path, text.count("\n", 0, at) + 1, secret)


def _is_secret(line: str) -> bool:
    return len(line) >= MIN_CHARS and not line.startswith("#") and not _BARE.fullmatch(line)
