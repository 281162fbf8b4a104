"""Bare PyTorch: char-rnn (Karpathy, 2015) with its defaults, on lab 20's plays.

    python -m bench.sides.char_rnn [--epochs N] [--until SCORE] [--seed N]

Two layers of 128 LSTM units over one-hot characters, batches of 50 sequences of 50, RMSprop. The
score is less the nats a character on the validation split, taken four times an epoch.
"""

import argparse
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.measure import Stopwatch, tell
from bench.sides.reference import reference
from dllab.data import load

LANES, STEPS = 50, 50
State = tuple[Tensor, Tensor] | None


class Net(nn.Module):
    """One-hot tokens → two layers of LSTM → logits."""

    def __init__(self, vocabulary: int, hidden: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.lstm = nn.LSTM(vocabulary, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.08, 0.08)
        for layer in range(layers):  # forget gates start open
            nn.init.ones_(getattr(self.lstm, f"bias_ih_l{layer}")[hidden : 2 * hidden])

    def loss(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """The mean nats of each next token, and the state to go on with."""
        seen = F.one_hot(tokens[:, :-1], self.vocabulary).float()
        outputs, (h, c) = self.lstm(seen, state)
        logits = self.head(outputs).flatten(0, 1)
        return F.cross_entropy(logits, tokens[:, 1:].flatten()), (h.detach(), c.detach())


def chunks(stream: Tensor) -> list[Tensor]:
    """The text in lanes, cut into chunks that follow each other."""
    count = (len(stream) - 1) // (LANES * STEPS)
    lanes = stream[: LANES * count * STEPS + 1].unfold(0, count * STEPS + 1, count * STEPS)
    return [lanes[:, i * STEPS : (i + 1) * STEPS + 1] for i in range(count)]


def fit(net: Net, train: list[Tensor], val: list[Tensor], epochs: int) -> Iterator[float]:
    """Train, and yield the validation score four times an epoch."""
    optimizer = torch.optim.RMSprop(net.parameters(), lr=2e-3, alpha=0.95)
    for _ in range(epochs):
        state: State = None
        for step, tokens in enumerate(train, start=1):
            optimizer.zero_grad()
            loss, state = net.loss(tokens, state)
            loss.backward()
            nn.utils.clip_grad_value_(net.parameters(), 5)
            optimizer.step()
            if step % (len(train) // 4) == 0:
                yield -nats(net, val)


@torch.inference_mode()
def nats(net: Net, val: list[Tensor]) -> float:
    """A character, over the whole split."""
    state: State = None
    total = 0.0
    for tokens in val:
        loss, state = net.loss(tokens, state)
        total += float(loss)
    return total / len(val)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--until", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    _, config = reference("20", "lstm")
    net = Net(config.model["tokens"])
    watch = Stopwatch()
    train, val = (chunks(load("shakespeare", split)["tokens"]) for split in ("train", "val"))
    reached = any(score >= args.until for score in fit(net, train, val, args.epochs))
    tell(watch.read(), reached=reached)


if __name__ == "__main__":
    main()
