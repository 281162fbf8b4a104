"""Generated mutants: small mechanical mistakes in the code that a learner will write.

Every solution region is parsed, and every place where an operator, a constant, an argument or a
whole line could be wrong gives candidates. A fixed sample of them is drawn, shared fairly among the
tasks; checks that let many survive do not test what they seem to test. The four kinds are those of
R. A. DeMillo, R. J. Lipton, F. G. Sayward: Hints on Test Data Selection, Computer 11(4), 1978, as
later tools for Python name them. None of those tools mutates only some regions of a file, which is
why the generator is ours.
"""

import ast
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from dllab.authoring.edits import Edit, SourceText, edits_of
from dllab.lab.starter import solution_regions

SEED = 1
SAMPLE = 60


@dataclass(frozen=True)
class Generated:
    """One generated mutant. `before` and `after` are the lines that differ, joined by spaces."""

    task: str
    kind: str
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        """How a table names it."""
        return f"{self.task}: {self.before}  →  {self.after or '(removed)'}"


def sample(
    solution: str, size: int = SAMPLE, seed: int = SEED, without: Collection[str] = ()
) -> list[Generated]:
    """At most `size` of the solution's mutants, the tasks taking turns; none of tasks `without`.

    Each mutant's place in its task's queue is a hash of itself, so an edit of the solution changes
    the sample only near that edit.
    """
    queues: dict[str, list[Generated]] = defaultdict(list)
    for mutant in generate(solution):
        if mutant.task not in without:
            queues[mutant.task].append(mutant)
    for queue in queues.values():
        queue.sort(key=lambda mutant: _lot(mutant, seed), reverse=True)
    chosen: list[Generated] = []
    while len(chosen) < size and any(queues.values()):
        chosen += [queue.pop() for queue in queues.values() if queue]
    return chosen[:size]


def generate(solution: str) -> list[Generated]:
    """Every mutant of the solution regions that parses and differs from all others."""
    source = SourceText(solution)
    seen = {ast.dump(ast.parse(solution))}
    found = []
    for task, edit in _edits(source):
        mutated = source.apply(edit)
        try:
            shape = ast.dump(ast.parse(mutated))
        except SyntaxError:
            continue
        if shape not in seen:
            seen.add(shape)
            found.append(Generated(task, edit.kind, *source.lines_of(edit), mutated))
    return found


def _edits(source: SourceText) -> Iterator[tuple[str, Edit]]:
    for task, (first, last) in solution_regions(source.text).items():
        for edit in edits_of(source, first, last):
            yield task, edit


def _lot(mutant: Generated, seed: int) -> bytes:
    text = f"{seed}\n{mutant.task}\n{mutant.before}\n{mutant.after}"
    return hashlib.sha256(text.encode()).digest()
