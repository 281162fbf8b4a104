"""From text to ids: words of reviews, characters of plays."""

import re
from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

SPECIAL = ("<pad>", "<unk>")
UNKNOWN = 1
MAX_WORDS = 100


def words(text: str) -> list[str]:
    """Lower-case words and numbers; `!`, `?` and `.` count as words of their own."""
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?|[!?.]", text.lower())


def build_vocabulary(tokens: Iterable[str], min_count: int) -> list[str]:
    """The special entries, then all tokens seen `min_count` times, the most frequent first."""
    counts = Counter(tokens)
    kept = [token for token, count in counts.items() if count >= min_count]
    return [*SPECIAL, *sorted(kept, key=lambda token: (-counts[token], token))]


def encode_words(texts: list[str], vocabulary: list[str]) -> dict[str, Tensor]:
    """`tokens` int64 `[N,100]`, padded or cut; `lengths` int64 `[N]`, at least 1."""
    index = {word: i for i, word in enumerate(vocabulary)}
    rows = [
        torch.tensor([index.get(word, UNKNOWN) for word in words(text)[:MAX_WORDS]] or [UNKNOWN])
        for text in texts
    ]
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.zeros(len(rows), MAX_WORDS, dtype=torch.int64)
    padded = pad_sequence(rows, batch_first=True)
    tokens[:, : padded.shape[1]] = padded
    return {"tokens": tokens, "lengths": lengths}


def encode_characters(text: str, vocabulary: list[str]) -> Tensor:
    """One id per character. int64 `[len(text)]`."""
    index = {character: i for i, character in enumerate(vocabulary)}
    return torch.tensor([index.get(character, UNKNOWN) for character in text])
