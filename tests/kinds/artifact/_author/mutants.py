"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("commonest", catches="book",
        why="The two commonest groups are merged.",
        edits=[("[(n, next(ties)", "[(-n, next(ties)")]),

    Mutant("reversed", catches="encode",
        why="The codes come from the end.",
        edits=[("for letter in letters.tolist()", "for letter in reversed(letters.tolist())")]),

    Mutant("long_book", catches="length",
        why="The file holds another book than the one asked for.",
        edits=[("json.dumps(code_book(TEXT))", "json.dumps(code_book(TEXT[::-1] + 9 * 'edcb'))")]),
]
