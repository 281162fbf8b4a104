"""The hidden checks of lab 20: right answers and judges. None of this enters the sandbox."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import Arrays, Outcome, check, close, every, holds, integers
from labs.lab20_language_model import checks
from labs.lab20_language_model._author import probes

TIMES = 4000


@checks.top_p.also("sure-nucleus", "A nucleus of one")
def sure_nucleus(rng: torch.Generator) -> Arrays:
    """Where one token is certain the nucleus is that token."""
    return {"p": F.one_hot(torch.randperm(checks.TOKENS, generator=rng)[:3], checks.TOKENS).float()}


LONG = 3 * checks.WINDOW


@check(
    "one-by-one",
    "Token by token",
    given={"token": integers(1, checks.TOKENS, 2, LONG), "seed": integers(0, 10_000)},
    probe=probes.one_by_one,
    returns={
        **dict.fromkeys(("pieces", "windows"), f"float32 [2, {LONG}, {checks.TOKENS}]"),
        **dict.fromkeys(("now", "later"), f"float32 [2, {checks.WINDOW - 1}, {checks.TOKENS}]"),
    },
    depends_on=("window",),
    hint="window",
)
def one_by_one(given, got) -> Outcome:
    """A GPT that reads token by token says what its window says, and never sees what comes next."""
    return every(
        close(got["pieces"], got["windows"], atol=1e-4, what="the logits, read token by token"),
        holds((got["now"] - got["later"]).abs().max() < 1e-5, "logits depend on a later token"),
    )


@check(
    "two-texts",
    "Two texts, two memories",
    given=checks.TEXTS,
    probe=probes.two_texts,
    mistakes={
        "validation's memory went on into the training text": lambda g: {
            checks.NEXT: checks.scored(
                g, 1, checks.scored(g | {"token": g.token.flip(0, 1)}, 0, kept=1)[1], kept=1
            )[0]
        }
    },
    depends_on=("truncated-bptt",),
    hint="truncated-bptt",
)
def two_texts(given) -> Arrays:
    """Validation on another text leaves the memory of the training text alone."""
    return {checks.NEXT: checks.two_chunks(given, kept=1)[checks.NEXT]}


def chosen_from(logits_BV: Tensor) -> Tensor:
    """The probabilities that the probe asks to draw from."""
    p_BV = (logits_BV / 0.7).softmax(1)
    return checks.nucleus(checks.share(p_BV * (checks.rank(p_BV) < 5)), 0.9)


@check(
    "drawn",
    "How often each token is drawn",
    given={
        **checks.LANGUAGE,
        "token": integers(1, checks.TOKENS, 1, 3),
        "many": torch.zeros(TIMES),
    },
    probe=probes.drawn,
    returns={"written": f"int64 [{TIMES}, 2]"},
    depends_on=("write",),
    hint="write",
)
def drawn(given, got) -> Outcome:
    """Tokens are drawn as often as temperature, k and mass say: the first, and the one after it."""
    if bool(((got["written"] < 0) | (got["written"] >= checks.TOKENS)).any()):
        return Outcome(0.0, f"a token is less than 0 or not below {checks.TOKENS}")
    logits, state = checks.read(given, given.token)
    first = chosen_from(logits[:, -1])
    every_token = torch.arange(checks.TOKENS)[:, None]
    states = tuple(s.expand(checks.TOKENS, -1) for s in state)
    after = first @ chosen_from(checks.read(given, every_token, states)[0][:, -1])
    return every(
        *(
            close(how_often(token), share[0], atol=0.04, rtol=0, what=f"how often {name} is drawn")
            for name, token, share in (
                ("each first token", got["written"][:, 0], first),
                ("each second token", got["written"][:, 1], after),
            )
        )
    )


def how_often(token: Tensor) -> Tensor:
    """The share of each token."""
    return torch.bincount(token, minlength=checks.TOKENS) / len(token)
