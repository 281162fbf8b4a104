"""Lab 18: word vectors from Shakespeare's plays, by skip-gram with negative sampling and subwords.

Work through the TODOs from top to bottom. `pytest labs/lab18_embeddings` checks them,
`dllab hint 18 TASK` helps, `dllab train 18` trains and grades, `dllab dream 18` shows neighbours.

Shapes stand in the names: V words that are known, B centres, C context words of each, K negatives
of each, D features of a vector. A word's id is its place in the vocabulary; -1: there is none.
"""

import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn

from dllab.data import BatchLoader
from labs.lab18_embeddings.given import LONGEST, end_to_end, pack, plays, speeches, unpack

Batch = dict[str, Tensor]

# ------------------------------------------------------------------ words and their pieces


def top_words(said: Sequence[Sequence[str]], size: int) -> list[str]:
    """The vocabulary: words of the speeches, each once, the most frequent first."""
    # BEGIN SOLUTION top-words: return the `size` most frequent words.
    # Of words that occur equally often, the one first in the alphabet comes first.
    times = Counter(word for speech in said for word in speech)
    return sorted(times, key=lambda word: (-times[word], word))[:size]
    # END SOLUTION


def ngrams(word: str, lengths: Sequence[int]) -> list[str]:
    """The pieces of a word, with < before its beginning and > behind its end."""
    # BEGIN SOLUTION ngrams: return all pieces of <word> of these lengths.
    # Those of the first length come first, each length from left to right. "art" has "<ar", "art",
    # "rt>" of length 3.
    marked = f"<{word}>"
    return [marked[i : i + n] for n in lengths for i in range(len(marked) - n + 1)]
    # END SOLUTION


def bag(word: str, ids: Mapping[str, int], lengths: Sequence[int], buckets: int) -> list[int]:
    """The rows of the table of vectors whose mean is the word's vector.

    The table has a row for each word of `ids`, and `buckets` rows behind them for pieces of words.
    """
    # BEGIN SOLUTION bag: return the rows, a list of int.
    # The word's own row comes first, if it has one, then those of its pieces, as ngrams has them:
    # row V + zlib.crc32(its bytes) % buckets. Pieces of one bucket share it.
    rows = [len(ids) + zlib.crc32(piece.encode()) % buckets for piece in ngrams(word, lengths)]
    return [ids[word], *rows] if word in ids else rows
    # END SOLUTION


# ------------------------------------------------------------------ what stands beside what


def keep_share(count_V: Tensor, threshold: float) -> Tensor:
    """Which share of each word's places stays, float32 [V]. Frequent words say little."""
    # BEGIN SOLUTION keep-share: return min(1, √(threshold / f)), float32 [V].
    # f is the word's share of all words.
    share_V = count_V / count_V.sum()
    return (threshold / share_V).sqrt().clamp(max=1)
    # END SOLUTION


def contexts(token_N: Tensor, speech_N: Tensor, centre_B: Tensor, window: int) -> Tensor:
    """The words around places of a text, int64 [B, 2 · window], from left to right.

    `token_N` are the text's ids, `speech_N` numbers the speech of each, `centre_B` are places.
    """
    # BEGIN SOLUTION contexts: return the ids around each centre.
    # `window` words before it and as many behind it, without the centre itself. -1 stands for
    # what lies beyond the text or in another speech.
    reach = torch.tensor([step for step in range(-window, window + 1) if step])
    place_BC = centre_B[:, None] + reach
    inside_BC = (place_BC >= 0) & (place_BC < len(token_N))
    place_BC = place_BC.clamp(0, len(token_N) - 1)
    same_BC = speech_N[place_BC] == speech_N[centre_B][:, None]
    return token_N[place_BC].where(inside_BC & same_BC, -1)
    # END SOLUTION


def noise(count_V: Tensor) -> Tensor:
    """How probable each word is as a negative, float32 [V]."""
    # BEGIN SOLUTION noise: return probabilities in proportion to count^0.75.
    weight_V = count_V**0.75
    return weight_V / weight_V.sum()
    # END SOLUTION


# ------------------------------------------------------------------ the loss


def sgns_loss(z_BD: Tensor, u_BCD: Tensor, negative_BKD: Tensor, there_BC: Tensor) -> Tensor:
    """The loss of skip-gram with negative sampling, float32 []: the mean over all pairs.

    A pair is a centre z and a context word u that is there. It costs -log sigmoid(z·u), and for
    each of its centre's K negatives n, -log sigmoid(-z·n).
    """
    # BEGIN SOLUTION sgns-loss: return the mean cost of a pair, float32 [].
    # Pairs that are not there do not count.
    # F.logsigmoid stays finite where log(sigmoid(x)) does not. All context words of a centre have
    # the same negatives, so a pair's cost is -near - far, with near [B, C] and far [B, 1].
    near_BC = F.logsigmoid((u_BCD @ z_BD[:, :, None]).squeeze(2))
    far_B1 = F.logsigmoid(-(negative_BKD @ z_BD[:, :, None]).squeeze(2)).sum(1, keepdim=True)
    return -(near_BC + far_B1)[there_BC].mean()
    # END SOLUTION


def sgns_gradient(z_D: Tensor, u_D: Tensor, negative_KD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of one pair's cost, by z [D], by u [D] and by the negatives [K, D]."""
    # BEGIN SOLUTION sgns-gradient: return all three, without autograd.
    # The derivative of -log sigmoid(x) is sigmoid(x) - 1, that of -log sigmoid(-x) is sigmoid(x).
    near = torch.sigmoid(u_D @ z_D) - 1
    far_K = torch.sigmoid(negative_KD @ z_D)
    return near * u_D + far_K @ negative_KD, near * z_D, far_K[:, None] * z_D
    # END SOLUTION


# ------------------------------------------------------------------ near is similar


def nearest(vector_VD: Tensor, query_D: Tensor, k: int, without: Sequence[int]) -> Tensor:
    """The ids of the k vectors nearest to a query by cosine, the nearest first, int64 [k]."""
    # BEGIN SOLUTION nearest: return the ids, those of `without` left out.
    # The cosine is the product of unit vectors; it does not matter how long the query is.
    cosine_V = F.normalize(vector_VD, dim=1) @ query_D
    cosine_V[list(without)] = -torch.inf
    return cosine_V.topk(k).indices
    # END SOLUTION


def analogy(vector_VD: Tensor, a: int, b: int, c: int, k: int) -> Tensor:
    """What is to c as b is to a: k ids, the best first, int64 [k]."""
    # BEGIN SOLUTION analogy: return what is nearest to b - a + c.
    # Take unit vectors, lest a long one decide alone. The three themselves do not count.
    unit_VD = F.normalize(vector_VD, dim=1)
    return nearest(unit_VD, unit_VD[b] - unit_VD[a] + unit_VD[c], k, [a, b, c])
    # END SOLUTION


# ------------------------------------------------------------------ without a network: counting


def ppmi(count_VV: Tensor, negatives: int) -> Tensor:
    """Shifted positive mutual information of pairs, from how often each occurred, [V, V]."""
    # BEGIN SOLUTION ppmi: return max(0, log(n_ij n / (n_i n_j)) - log negatives).
    # n_i sums row i, n_j column j, n everything. A pair that never occurred has 0, also where a
    # whole row is empty.
    row_V1, column_1V = count_VV.sum(1, keepdim=True), count_VV.sum(0, keepdim=True)
    pmi_VV = (count_VV * count_VV.sum() / (row_V1 * column_1V)).log()
    return (pmi_VV - math.log(negatives)).clamp(min=0).where(count_VV > 0, 0)
    # END SOLUTION


def svd_vectors(matrix_VV: Tensor, features: int) -> tuple[Tensor, Tensor]:
    """Vectors z and u, [V, D] each, whose products z·u come nearest to the matrix."""
    # BEGIN SOLUTION svd-vectors: return U √S and V √S, [V, D] each.
    # S holds the D largest singular values. torch.svd_lowrank(matrix, q=…, niter=4) is exact
    # enough with q = D + 8, but q is at most V.
    q = min(features + 8, len(matrix_VV))
    left_Vq, value_q, right_Vq = torch.svd_lowrank(matrix_VV, q=q, niter=4)
    root_D = value_q[:features].sqrt()
    return left_Vq[:, :features] * root_D, right_Vq[:, :features] * root_D
    # END SOLUTION


# ------------------------------------------------------------------ data and model


class Data(LightningDataModule):
    """Places of the plays in shuffled batches: bags of their words, contexts, drawn negatives."""

    def __init__(
        self,
        *,
        name: str = "shakespeare",
        size: str = "small",
        words: int = 5000,
        buckets: int = 8192,
        grams: Sequence[int] = (3, 4),
        window: int = 2,
        negatives: int = 5,
        threshold: float = 0.01,
        batch_size: int = 1024,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.name, self.size = name, size
        self.words, self.buckets, self.grams = words, buckets, grams
        self.window, self.negatives, self.threshold = window, negatives, threshold
        self.batch_size, self.seed = batch_size, seed

    def setup(self, stage: str | None = None) -> None:
        """Learn the vocabulary of the training plays, and lay out both texts."""
        self.said = speeches(plays("train", self.size, self.name))
        self.known = top_words(self.said, self.words)
        self.train = self._text(self.said)
        self.val = self._text(speeches(plays("val", self.size, self.name)))
        token_N = self.train["token"]
        self.count_V = torch.bincount(token_N[token_N >= 0], minlength=self.words).float()
        self.noise_V = noise(self.count_V)

    def train_dataloader(self) -> BatchLoader:
        """The places that are kept, in a new order each epoch."""
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> BatchLoader:
        """The same of the validation play."""
        return self._loader(self.val, shuffle=False)

    def _text(self, said: Sequence[Sequence[str]]) -> Batch:
        """A text's ids, speeches, and the bags of its different words; `kind` says which."""
        ids = {word: i for i, word in enumerate(self.known)}
        kinds = {word: i for i, word in enumerate({word: 0 for speech in said for word in speech})}
        row_R, begin_W = end_to_end(bag(word, ids, self.grams, self.buckets) for word in kinds)
        return {
            "token": torch.tensor([ids.get(word, -1) for speech in said for word in speech]),
            "speech": torch.tensor([i for i, speech in enumerate(said) for _ in speech]),
            "kind": torch.tensor([kinds[word] for speech in said for word in speech]),
            "row": row_R,
            "begin": torch.cat([begin_W, torch.tensor([len(row_R)])]),
        }

    def _loader(self, text: Batch, *, shuffle: bool) -> BatchLoader:
        draw = torch.Generator().manual_seed(self.seed)
        share_V = keep_share(self.count_V, self.threshold)
        share_N = torch.cat([share_V, torch.ones(1)])[text["token"]]  # -1: not in the vocabulary
        kept_N = torch.rand(len(share_N), generator=draw) < share_N
        text = text | {name: text[name][kept_N] for name in ("token", "speech", "kind")}
        around_NC = contexts(
            text["token"], text["speech"], torch.arange(len(text["token"])), self.window
        )
        centre_M = (around_NC >= 0).any(1).nonzero().squeeze(1)

        def batch(of: Batch) -> Batch:
            kind_B = text["kind"][of["centre"]]
            begin_B, size_B = text["begin"][kind_B], text["begin"].diff()[kind_B]
            ends_B = size_B.cumsum(0)
            shift_R = (begin_B - ends_B + size_B).repeat_interleave(size_B)
            return {
                "row": text["row"][torch.arange(len(shift_R)) + shift_R],
                "begin": ends_B - size_B,
                "context": around_NC[of["centre"]],
                "negative": torch.multinomial(
                    self.noise_V, len(kind_B) * self.negatives, replacement=True
                ).view(-1, self.negatives),
            }

        places = {"centre": centre_M}
        return BatchLoader(
            places, self.batch_size, shuffle=shuffle, seed=self.seed, transform=batch
        )

    def pair_counts(self) -> Tensor:
        """How often each word stands in the window of each other one, float32 [V, V]."""
        token_N = self.train["token"]
        centre_B = (token_N >= 0).nonzero().squeeze(1)
        around_BC = contexts(token_N, self.train["speech"], centre_B, self.window)
        pair_BC = token_N[centre_B][:, None] * self.words + around_BC
        count = torch.bincount(pair_BC[around_BC >= 0], minlength=self.words**2)
        return count.view(self.words, self.words).float()


class Model(LightningModule):
    """Two tables: vectors z of words and their pieces, vectors u of words as context.

    `baseline` fills them by counting instead of training them.
    """

    spelling: Tensor

    def __init__(
        self,
        *,
        words: int = 5000,
        buckets: int = 8192,
        features: int = 48,
        grams: Sequence[int] = (3, 4),
        lr: float = 0.03,
        baseline: bool = False,
    ) -> None:
        super().__init__()
        self.buckets, self.grams = buckets, () if baseline else tuple(grams)
        self.lr, self.baseline = lr, baseline
        self.inputs = nn.Embedding(words + buckets, features)
        self.outputs = nn.Embedding(words, features)
        nn.init.uniform_(self.inputs.weight, -0.5, 0.5)
        nn.init.zeros_(self.outputs.weight)
        # The vocabulary travels with the weights: whoever loads them need not have the plays.
        self.register_buffer("spelling", torch.zeros(words, LONGEST, dtype=torch.uint8))

    def setup(self, stage: str) -> None:
        """Take over the vocabulary; as a baseline, count."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        self.spelling.copy_(pack(data.known))
        if self.baseline:
            z_VD, u_VD = svd_vectors(ppmi(data.pair_counts(), 1), self.outputs.embedding_dim)
            with torch.no_grad():
                self.inputs.weight[: len(z_VD)] = z_VD
                self.outputs.weight.copy_(u_VD)

    def ids(self) -> dict[str, int]:
        """The id of each word of the vocabulary."""
        return {word: i for i, word in enumerate(unpack(self.spelling))}

    def vectors(self, words: Sequence[str]) -> Tensor:
        """The vector of each of B words, known or not, float32 [B, D]."""
        # BEGIN SOLUTION vectors: return the mean of each word's bag, [B, D].
        # end_to_end lays the bags out for F.embedding_bag, whose mean of an empty bag is 0.
        ids = self.ids()
        row_R, begin_B = end_to_end(bag(word, ids, self.grams, self.buckets) for word in words)
        weight = self.inputs.weight
        return F.embedding_bag(
            row_R.to(weight.device), weight, begin_B.to(weight.device), mode="mean"
        )
        # END SOLUTION

    def cloze(self, around: Sequence[Sequence[str]], choice: Sequence[Sequence[str]]) -> Tensor:
        """How well each of two words fits into each of N gaps, float32 [N, 2].

        `around` are the words on both sides of a gap, however many, `choice` the two words.
        """
        # BEGIN SOLUTION cloze: return how well each fits, float32 [N, 2].
        # It is the sum of z·u over the words around.
        # z are self.vectors of the choice, u are rows of self.outputs.weight. Words around that are
        # not in the vocabulary are left out.
        ids, u_VD = self.ids(), self.outputs.weight
        known = [[ids[word] for word in words if word in ids] for words in around]
        sum_ND = torch.stack([u_VD[rows].sum(0) for rows in known])
        z_N2D = self.vectors([word for two in choice for word in two]).view(len(choice), 2, -1)
        return (z_N2D @ sum_ND[:, :, None]).squeeze(2)
        # END SOLUTION

    @torch.no_grad()
    def answer(self, questions: str) -> Tensor:
        """How well the words fit, float32 [N, 2]: what the lab is graded on.

        Each line is a question: the words around a gap, then |, then the two words.
        """
        parts = [[half.split() for half in line.split("|")] for line in questions.splitlines()]
        return self.cloze([around for around, _ in parts], [two for _, two in parts])

    @torch.no_grad()
    def near(self, words: str, k: int) -> Tensor:
        """The k known words nearest to each word of a text, packed: uint8 [N, k, LONGEST]."""
        ids, asked = self.ids(), words.split()
        vector_VD = self.vectors(list(ids))
        rows = [
            nearest(vector_VD, query_D, k, [ids[word]] if word in ids else [])
            for word, query_D in zip(asked, self.vectors(asked), strict=True)
        ]
        return self.spelling[torch.stack(rows)]

    def loss(self, batch: Batch) -> Tensor:
        """The loss of a batch of B centres, float32 [].

        `row` and `begin` are their bags, `context` int64 [B, C] with -1 where there is none,
        `negative` int64 [B, K].
        """
        z_BD = F.embedding_bag(batch["row"], self.inputs.weight, batch["begin"], mode="mean")
        context_BC = batch["context"]
        u_BCD, negative_BKD = self.outputs(context_BC.clamp(min=0)), self.outputs(batch["negative"])
        return sgns_loss(z_BD, u_BCD, negative_BKD, context_BC >= 0)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> int | None:
        """A baseline is not trained: -1 ends the epoch."""
        return -1 if self.baseline else None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch; logged as `train/loss`."""
        loss = self.loss(batch)
        self.log("train/loss", loss, batch_size=len(batch["begin"]))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss of a batch; logged as `val/loss`."""
        self.log("val/loss", self.loss(batch), batch_size=len(batch["begin"]))

    def configure_optimizers(self) -> dict[str, Any]:
        """Adam, whose rate falls to nearly nothing."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr, fused=True)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, total_iters=steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
