"""An artifact: a prefix code for letters, written to a file and read from it."""

import heapq
import json
from collections import Counter
from itertools import count

import torch

TEXT = "aaaaaaaabbbbccde"


def make_artifacts(folder, models):
    """Write the code book. `dllab train` calls this once; there are no models here."""
    (folder / "book.json").write_text(json.dumps(code_book(TEXT)))


def code_book(text):
    # BEGIN SOLUTION book: return a code of 0 and 1 for each letter, so that the text gets short.
    # No code begins another one: merge the two rarest groups of letters until one is left.
    ties = count()
    heap = [(n, next(ties), {letter: ""}) for letter, n in sorted(Counter(text).items())]
    heapq.heapify(heap)
    while len(heap) > 1:
        (one, _, left), (other, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        merged = {k: "0" + v for k, v in left.items()} | {k: "1" + v for k, v in right.items()}
        heapq.heappush(heap, (one + other, next(ties), merged))
    return heap[0][2]
    # END SOLUTION


def read_book(path):
    """The code book in a file."""
    return json.loads(path.read_text())


def encode(letters, book):
    # BEGIN SOLUTION encode: return the code of letters, their bytes uint8 [N], as int64 [bits].
    return torch.tensor([int(bit) for letter in letters.tolist() for bit in book[chr(letter)]])
    # END SOLUTION


def encode_by(letters, path):
    """The code of letters by the book in a file."""
    return encode(letters, read_book(path))
