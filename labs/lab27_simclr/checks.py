"""The visible checks of lab 27, in the order of its tasks, the plays that score it, and a dream.

The scorer asks for features alone. It fits the probe, and makes the random features itself.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dllab.checks import (
    Arrays,
    Given,
    Outcome,
    Player,
    check,
    close,
    dream,
    every,
    exhibits,
    holds,
    integers,
    normal,
    play,
    uniform,
)
from dllab.data import find, load
from labs.lab27_simclr.given import Encoder, Unlabelled, look, make_head, pixels

SEED = integers(0, 10**6)
Way = Callable[[Given], Any]

# Views of one picture are near, all others far ----------------------------------------------------

PICTURES, VIEWS, FEATURES = 3, 6, 4


def two_views_probe(lab, given) -> Arrays:
    """Views that add a drawn number to each pixel, of one seed twice."""

    def see(image: Tensor, rng: Generator) -> Tensor:
        return image + 0.1 + 0.8 * torch.rand(image.shape, generator=rng)

    torch.manual_seed(0)
    rngs = (Generator().manual_seed(int(given.seed)) for _ in range(2))
    first, again = (lab.two_views(given.image.clone(), see, rng) for rng in rngs)
    return {"views": first, "again": again}


@check(
    "two-views",
    "Two views of each picture",
    given={
        "image": lambda rng: 10.0 * torch.randperm(6, generator=rng).view(3, 1, 1, 2),
        "seed": SEED,
    },
    probe=two_views_probe,
    returns=dict.fromkeys(("views", "again"), f"float32 [{VIEWS}, 1, 1, 2]"),
)
def two_views(given: Given, got: Arrays) -> Outcome:
    """`two_views` looks twice at each picture, and puts all first views before all second ones."""
    image, views = given.image, got["views"]
    drawn = views - image.repeat(2, 1, 1, 1)
    beside = views - image.repeat_interleave(2, 0)
    first, second = drawn.chunk(2)
    return every(
        holds(
            not seen(beside),
            "two views of a picture stand side by side: the second come after all first",
        ),
        holds(
            not (first == 0).all() and not (second == 0).all(),
            "one of the views is the picture itself: look twice",
        ),
        holds(seen(drawn), "these are no views of the pictures in their order, once and once more"),
        holds(
            not torch.allclose(first, second, atol=1e-4),
            "both views are one and the same: look twice",
        ),
        holds(
            torch.equal(views, got["again"]), "the same seed gives other views: hand rng to `see`"
        ),
    )


def seen(drawn: Tensor) -> bool:
    """Whether so much was added as the view of the check adds."""
    return bool(((drawn > 0) & (drawn < 1)).all())


Z = normal(VIEWS, FEATURES)
T = uniform(low=0.2, high=0.6)


def cosines(g: Given, temperature: float | Tensor | None = None, z: Tensor | None = None) -> Tensor:
    """All cosines over the temperature, a view with itself included."""
    z = F.normalize(g.z if z is None else z, dim=1)
    return z @ z.T / (g.temperature if temperature is None else temperature)


def alone(s: Tensor, value: float = -torch.inf) -> Tensor:
    """Nothing on the diagonal."""
    return s.masked_fill(torch.eye(len(s), dtype=torch.bool), value)


# Wrong similarities, which make wrong losses as well.
WRONG: dict[str, Way] = {
    "the norm is forgotten: these are no cosines": lambda g: alone(g.z @ g.z.T / g.temperature),
    "a view is compared with itself: put -inf on the diagonal": cosines,
    "zeros on the diagonal still count: put -inf there": lambda g: alone(cosines(g), 0.0),
    "multiplied by the temperature: divide": lambda g: alone(cosines(g) * g.temperature**2),
    "the temperature is left out": lambda g: alone(cosines(g, 1.0)),
}


def finite(way: Way) -> Way:
    """A way whose -inf are -99, as answers of checks are finite."""
    return lambda g: way(g).nan_to_num(neginf=-99.0)


@check(
    "similarities",
    "All pairs",
    given={"z": Z, "temperature": T},
    expect=finite(lambda g: alone(cosines(g))),
    mistakes={
        **{words: finite(way) for words, way in WRONG.items()},
        "each feature has length 1, not each view": finite(
            lambda g: alone(F.normalize(g.z, dim=0) @ F.normalize(g.z, dim=0).T / g.temperature)
        ),
        "these are distances": finite(
            lambda g: alone((2 - 2 * cosines(g, 1.0)).clamp(min=0).sqrt() / g.temperature)
        ),
    },
)
def similarities(lab, given) -> Tensor:
    """`similarities` are cosines over the temperature, and -inf of a view with itself."""
    return finite(lambda g: lab.similarities(g.z, float(g.temperature)))(given)


SIZES = (2, 6, 10)


def pairs(way: Callable[[Tensor, int], Tensor]) -> Way:
    """A way to name partners, of several sizes."""
    return lambda _g: {f"of {v} views": way(torch.arange(v), v) for v in SIZES}


@check(
    "partners",
    "Who belongs together",
    expect=pairs(lambda i, v: (i + v // 2) % v),
    mistakes={
        "the partner of a view is half of all views away": pairs(lambda i, v: i ^ 1),
        "these are the views themselves": pairs(lambda i, v: i),
        "the second views do not run backwards": pairs(lambda i, v: v - 1 - i),
    },
)
def partners(lab, _given) -> Arrays:
    """`partners` leads from the first view of a picture to its second, and back."""
    return {f"of {v} views": lab.partners(v) for v in SIZES}


PARTNER = torch.tensor([3, 4, 5, 0, 1, 2])


def losses(g: Given, logits: Tensor | None = None, partner: Tensor = PARTNER) -> Tensor:
    """The loss of each view."""
    logits = alone(cosines(g)) if logits is None else logits
    return F.cross_entropy(logits, partner, reduction="none")


def loss_by(way: Way, g: Given) -> Tensor:
    """The loss of similarities that are computed in this way."""
    return losses(g, way(g)).mean()


def without_partner(g: Given, times: float) -> Tensor:
    """The loss of each view, with its partner so many times in the denominator."""
    s = alone(cosines(g))
    pair = s.gather(1, PARTNER[:, None])[:, 0]
    return (s.exp().sum(1) + (times - 1) * pair.exp()).log() - pair


@check(
    "nt-xent",
    "The contrastive loss",
    given={"z": Z, "temperature": T},
    expect=lambda g: losses(g).mean(),
    mistakes={
        **{words: partial(loss_by, way) for words, way in WRONG.items()},
        "the partner belongs into the denominator, too": lambda g: without_partner(g, 0).mean(),
        "the partner stands in the denominator twice": lambda g: without_partner(g, 2).mean(),
        "the first views ask, the second do not": lambda g: losses(g)[:3].mean(),
        "the first views choose among the second alone": lambda g: F.cross_entropy(
            cosines(g)[:3, 3:], torch.arange(3)
        ),
        "the partner is not the next view": lambda g: losses(g, partner=torch.arange(6) ^ 1).mean(),
        "the sum over the views: take the mean": lambda g: losses(g).sum(),
        "nothing pushes apart: all features become one": lambda g: (
            -cosines(g).gather(1, PARTNER[:, None]).mean()
        ),
        "the sign is the other way: the partner is pushed away": lambda g: -losses(g).mean(),
    },
    grad=("z",),
    rtol=1e-4,
)
def nt_xent(lab, given) -> Tensor:
    """`nt_xent` is the mean cross-entropy of finding one's partner among all other views."""
    return lab.nt_xent(given.z, float(given.temperature))


# Other questions that need no label ---------------------------------------------------------------


def turned(g: Given, way: int = 1, order: Callable[[list[Tensor]], Tensor] = torch.cat) -> Arrays:
    """The turned pictures and how much."""
    return {
        "image": order([torch.rot90(g.image, way * k, (2, 3)) for k in range(4)]),
        "quarter": torch.arange(4).repeat_interleave(len(g.image)),
    }


@check(
    "turns",
    "Which way is up",
    given={"image": normal(2, 1, 3, 3)},
    expect=turned,
    mistakes={
        "these are clockwise": partial(turned, way=-1),
        "labels, too, come in four blocks": lambda g: {"quarter": torch.arange(4).repeat(2)},
        "the pictures come one by one, their labels in blocks": lambda g: {
            "image": turned(g, order=lambda four: torch.stack(four, 1).flatten(0, 1))["image"]
        },
        "these are degrees: count quarter turns": lambda g: {"quarter": 90 * turned(g)["quarter"]},
        "nothing is turned": lambda g: {"image": g.image.repeat(4, 1, 1, 1)},
    },
)
def turns(lab, given) -> Arrays:
    """`turns` gives four blocks of pictures, turned anticlockwise, and the number of each block."""
    image, quarter = lab.turns(given.image)
    return {"image": image, "quarter": quarter}


MASKS, PATCH = 40, 2


def hide_probe(lab, given) -> Arrays:
    """Masks of one seed, twice, and of the next draws."""
    rngs = [Generator().manual_seed(int(given.seed)) for _ in range(2)]
    torch.manual_seed(0)
    share = float(given.share)
    draw = partial(lab.hide, given.image, PATCH)
    first, second = draw(share, rngs[0]), draw(share, rngs[0])
    return {
        "first": first,
        "second": second,
        "again": draw(share, rngs[1]),
        "rest": draw(1 - share, rngs[0]),
    }


def pictures(height: int, width: int) -> Callable[[Generator], Arrays]:
    """Draw a batch of so many pixels, a share that leaves a fraction of a patch, and a seed."""

    def drawn(rng: Generator) -> Arrays:
        share = torch.tensor([0.3, 0.7])[torch.randint(2, (), generator=rng)]
        return {"image": torch.zeros(MASKS, 1, height, width), "share": share, "seed": SEED(rng)}

    return drawn


@check(
    "hide",
    "What is hidden",
    given=pictures(6, 6),
    probe=hide_probe,
    returns=dict.fromkeys(("first", "second", "again", "rest"), f"bool [{MASKS}, 1, *, *]"),
)
def hide(given: Given, got: Arrays) -> Outcome:
    """`hide` draws round(share · P) patches of each picture, other ones each time, by rng."""
    mask, (H, W) = got["first"], given.image.shape[2:]
    if any(m.shape != (MASKS, 1, H, W) for m in got.values()):
        return Outcome(0.0, f"masks are [B, 1, {H}, {W}], got {list(mask.shape)}")
    count = H * W // PATCH**2
    patch = F.avg_pool2d(mask.float(), PATCH)
    hidden, wanted = patch.sum((1, 2, 3)), round(float(given.share) * count)
    rest = F.avg_pool2d(got["rest"].float(), PATCH).sum((1, 2, 3))
    return every(
        holds(((patch == 0) | (patch == 1)).all(), "parts of patches are hidden"),
        holds(
            not (hidden == count - wanted).all(),
            f"{count - wanted} patches of {count} are hidden: True is what is hidden, not seen",
        ),
        holds(
            (hidden == hidden[0]).all(), "some pictures hide more than others: rank what is drawn"
        ),
        holds(
            (hidden == wanted).all() and (rest == count - wanted).all(),
            f"of {count} patches {hidden[0]:.0f} are hidden, not {wanted}; or, asked for the rest, "
            f"{rest[0]:.0f}, not {count - wanted}",
        ),
        holds((mask != mask[0]).any(), "all pictures hide the same patches"),
        holds(
            (patch.amax(0) == 1).all() and (patch.amin(0) == 0).all(),
            "some patches are never or always hidden",
        ),
        holds(not torch.equal(mask, got["second"]), "each call hides the same: draw from rng"),
        holds(torch.equal(mask, got["again"]), "the same seed hides others: draw from rng alone"),
    )


def squares(g: Given) -> Tensor:
    """Squared errors where hidden, zeros elsewhere."""
    return (g.guess - g.image).square() * g.hidden


@check(
    "masked-loss",
    "Only what is hidden counts",
    given={
        "guess": normal(3, 1, 2, 2),
        "image": normal(3, 1, 2, 2),
        "hidden": lambda rng: (
            torch.tensor([1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0])
            .bool()
            .view(3, 1, 2, 2)[torch.randperm(3, generator=rng)]
        ),
    },
    expect=lambda g: squares(g).sum() / g.hidden.expand_as(g.image).sum(),
    mistakes={
        "what is seen counts as well: it can be copied": lambda g: (
            (g.guess - g.image).square().mean()
        ),
        "what is seen counts, what is hidden does not": lambda g: (
            (g.guess - g.image)[~g.hidden.expand_as(g.image)].square().mean()
        ),
        "divided by all pixels, not by those that are hidden": lambda g: squares(g).mean(),
        "each picture has its own mean first: all hidden pixels count alike": lambda g: (
            squares(g).sum((1, 2, 3)) / g.hidden.expand_as(g.image).sum((1, 2, 3))
        ).mean(),
        "this is the absolute error": lambda g: (
            ((g.guess - g.image).abs() * g.hidden).sum() / g.hidden.expand_as(g.image).sum()
        ),
        "this is the sum: take the mean": lambda g: squares(g).sum(),
    },
    grad=("guess",),
)
def masked_loss(lab, given) -> Tensor:
    """`masked_loss` is the mean squared error over all hidden pixels."""
    return lab.masked_loss(given.guess, given.image, given.hidden)


# What features are good for -----------------------------------------------------------------------

CLASSES, RIDGE = 3, 2.0


def labelled(rng: Generator) -> Arrays:
    """Few labelled features of unlike scales, and others from elsewhere."""
    scale, mean = (
        0.5 + 3 * torch.rand(FEATURES, generator=rng),
        torch.randn(FEATURES, generator=rng),
    )
    label = torch.tensor([0, 0, 0, 1, 1, 2, 2, 0])[torch.randperm(8, generator=rng)]
    known, other = (torch.randn(n, FEATURES, generator=rng) for n in (8, 5))
    return {"known": mean + scale * known, "label": label, "other": 1 + mean + 2 * scale * other}


def probed(
    g: Given,
    ridge: float = RIDGE,
    centre: Tensor | None = None,
    scale: Tensor | None = None,
) -> Tensor:
    """Scores of the classes by least squares with a ridge."""
    mean = g.known.mean(0) if centre is None else centre
    deviation = g.known.std(0, correction=0).clamp(min=1e-6) if scale is None else scale
    x, other = (g.known - mean) / deviation, (g.other - mean) / deviation
    y = F.one_hot(g.label, CLASSES).float()
    gram = x.T @ x + ridge * torch.eye(x.shape[1])
    return other @ torch.linalg.solve_ex(gram, x.T @ y).result


@check(
    "linear-probe",
    "A linear classifier of few labels",
    given=labelled,
    expect=probed,
    mistakes={
        "features are not scaled: those with large numbers drown the others": lambda g: probed(
            g, scale=torch.ones(FEATURES)
        ),
        "features are not centred": lambda g: probed(g, centre=torch.zeros(FEATURES)),
        "new items are centred and scaled by themselves, not by the labelled": lambda g: probed(
            g
            | {
                "other": (g.other - g.other.mean(0))
                / g.other.std(0, correction=0)
                * g.known.std(0, correction=0)
                + g.known.mean(0)
            }
        ),
        "the ridge is left out": partial(probed, ridge=0.0),
        "the ridge is 10, whatever is asked": partial(probed, ridge=10.0),
        "this is the deviation with N - 1: correction=0": lambda g: probed(g, scale=g.known.std(0)),
        "scaled by the variance, not by the deviation": lambda g: probed(
            g, scale=g.known.var(0, correction=0)
        ),
        "these are the labelled items' own scores": lambda g: probed(g | {"other": g.known})[:5],
    },
    rtol=1e-3,
    atol=1e-4,
)
def linear_probe(lab, given) -> Tensor:
    """`linear_probe` scores new items by a ridge regression of the labelled items' features."""
    return lab.linear_probe(given.known, given.label, given.other, CLASSES, RIDGE)


NEAR = 3


def telling(draw: Callable[[Generator], Arrays], *ways: Way) -> Callable[[Generator], Arrays]:
    """Draw until all of these ways give different answers."""

    def drawn(rng: Generator) -> Arrays:
        while True:
            arrays = draw(rng)
            answers = [way(Given(arrays)) for way in ways]
            if len({tuple(a.flatten().tolist()) for a in answers}) == len(ways):
                return arrays

    return drawn


def nearest(g: Given, s: Tensor | None = None, largest: bool = True, skip: int = 0) -> Tensor:
    """Places of the most similar."""
    s = alone(cosines(g, 1.0)) if s is None else s
    return s.topk(NEAR + skip, dim=1, largest=largest).indices[:, skip:]


def uneven(rng: Generator) -> Arrays:
    """Features of very different lengths."""
    return {
        "z": torch.randn(9, FEATURES, generator=rng) * (0.2 + 3 * torch.rand(9, 1, generator=rng))
    }


WAYS: dict[str, Way] = {
    "each item is its own nearest: leave it out": lambda g: nearest(g, cosines(g, 1.0)),
    "the norm is forgotten: long vectors are everybody's neighbours": lambda g: nearest(
        g, alone(g.z @ g.z.T)
    ),
    "these are Euclidean distances, not cosines": lambda g: nearest(
        g, alone(-torch.cdist(g.z, g.z))
    ),
    "these are the farthest": lambda g: nearest(
        g, alone(cosines(g, 1.0), torch.inf), largest=False
    ),
    "the nearest comes last": lambda g: nearest(g).flip(1),
    "the nearest other one is left out": partial(nearest, skip=1),
}


@check(
    "neighbours",
    "The nearest",
    given=telling(uneven, nearest, *WAYS.values()),
    expect=nearest,
    mistakes=WAYS,
)
def neighbours(lab, given) -> Tensor:
    """`neighbours` are the k most similar others, the nearest first."""
    return lab.neighbours(given.z, NEAR)


def rank_of(value: Tensor, base: Callable[[Tensor], Tensor] = torch.exp) -> Tensor:
    """The effective rank of these singular values."""
    share = value / value.sum()
    return base(torch.special.entr(share).sum())


def values(g: Given, centred: bool = True) -> Tensor:
    """Singular values."""
    return torch.linalg.svdvals(g.z - g.z.mean(0) * centred)


@check(
    "rank",
    "How many directions are used",
    given={
        "z": lambda rng: (
            (1 + torch.randn(12, FEATURES, generator=rng)) * torch.tensor([3.0, 1.0, 0.6, 0.2])
        )
    },
    expect=lambda g: rank_of(values(g)),
    mistakes={
        "features are not centred: their mean is one direction more": lambda g: rank_of(
            values(g, centred=False)
        ),
        "these are shares of variance: take singular values, not their squares": lambda g: rank_of(
            values(g).square()
        ),
        "this is the entropy: take exp of it": lambda g: rank_of(values(g), base=lambda e: e),
        "each item is centred, not each feature": lambda g: rank_of(
            torch.linalg.svdvals(g.z - g.z.mean(1, keepdim=True))
        ),
        "this counts all that are not 0": lambda g: torch.tensor(float(FEATURES)),
        "the entropy is in bits, exp takes nats": lambda g: rank_of(
            values(g), base=lambda e: (e / torch.tensor(2.0).log()).exp()
        ),
    },
    rtol=1e-4,
)
def rank(lab, given) -> Tensor:
    """`effective_rank` is exp of the entropy of the singular values of centred features."""
    return lab.effective_rank(given.z)


# Pre-training -------------------------------------------------------------------------------------

WIDTH = 8
PRETEXTS = ("contrast", "turn", "mask")
IMAGE = integers(0, 17, 4, 1, 8, 8, dtype=torch.uint8)


def body(seed: Tensor, pretext: str) -> tuple[nn.Module, nn.Module]:
    """An encoder and a head of drawn parameters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed))
        encoder, head = Encoder(WIDTH), make_head(pretext, 4 * WIDTH)
    for parameter in head.parameters():
        parameter.data.mul_(3)  # so that what the encoder sees makes a difference
    return encoder, head


def toy(lab, given: Given, pretext: str):
    """The learner's Model, with the drawn parameters."""
    model = lab.Model(width=WIDTH, pretext=pretext, temperature=0.5, share=0.25)
    encoder, head = body(given.seed, pretext)
    model.encoder.load_state_dict(encoder.state_dict())
    model.head.load_state_dict(head.state_dict())
    return model


@torch.no_grad()
def answers(g: Given, x: Tensor, *, headed: bool = True, pretext: str = "contrast") -> Tensor:
    """What encoder and head say of float pictures."""
    encoder, head = body(g.seed, pretext)
    return head(encoder(x)) if headed else encoder(x)


@check(
    "features",
    "What is kept",
    given={"image": IMAGE, "seed": SEED},
    expect=lambda g: answers(g, pixels(g.image), headed=False),
    mistakes={
        "this is the head's answer: it belongs to the pretext task": lambda g: answers(
            g, pixels(g.image)
        ),
        "pixels are divided by 255: call `pixels`": lambda g: answers(
            g, g.image / 255, headed=False
        ),
        "features have length 1: leave them as they are": lambda g: F.normalize(
            answers(g, pixels(g.image), headed=False), dim=1
        ),
        "these are the pixels": lambda g: pixels(g.image).flatten(1),
    },
    rtol=1e-3,
    atol=1e-4,
)
def features(lab, given) -> Tensor:
    """`features` is what the encoder makes of pictures, without the head."""
    return toy(lab, given, "contrast").features(given.image)


def loss_probe(lab, given) -> Arrays:
    """The losses, and what was drawn for them."""
    rng = lambda: Generator().manual_seed(int(given.seed))  # noqa: E731
    batch, image, got = Unlabelled({"image": given.image}), pixels(given.image), {}
    for pretext in PRETEXTS:
        got[pretext] = toy(lab, given, pretext).loss(batch, rng()).detach()
    got["views"] = lab.two_views(image, toy(lab, given, "contrast").see, rng())
    return {**got, "hidden": lab.hide(image, 2, 0.25, rng())}


def told(name: str, got: Tensor, right: Tensor, mistakes: dict[str, Tensor]) -> Outcome:
    """Full points for the right number; a known mistake by its name."""
    for words, wrong in mistakes.items():
        if torch.allclose(got, wrong, rtol=1e-4) and not torch.allclose(got, right, rtol=1e-4):
            return Outcome(0.0, f"pretext {name}: {words}")
    return close(got, right, rtol=1e-3, atol=1e-4, what=f"the loss of {name}")


@check(
    "loss",
    "The loss of each pretext task",
    given={"image": IMAGE, "seed": SEED},
    probe=loss_probe,
    returns={
        **dict.fromkeys(PRETEXTS, "float32 []"),
        "views": "float32 [8, 1, 8, 8]",
        "hidden": "bool [4, 1, 8, 8]",
    },
    depends_on=("two-views", "nt-xent", "turns", "hide", "masked-loss"),
)
def loss(given: Given, got: Arrays) -> Outcome:
    """`loss` pulls views together, tells turns apart, or fills in what is hidden."""
    image, views, hidden = pixels(given.image), got["views"], got["hidden"]
    partner = (torch.arange(8) + 4) % 8

    def contrast(x: Tensor, temperature: float = 0.5, headed: bool = True) -> Tensor:
        z = answers(given, x, headed=headed)
        return F.cross_entropy(alone(cosines(given, temperature, z)), partner)

    def turn(x: Tensor, blocks: bool = True) -> Tensor:
        four = torch.cat([torch.rot90(x, k, (2, 3)) for k in range(4)])
        quarter = torch.arange(4).repeat_interleave(4) if blocks else torch.zeros(16).long()
        return F.cross_entropy(answers(given, four, pretext="turn"), quarter)

    def mask(x: Tensor, where: Tensor) -> Tensor:
        guess = answers(given, x, pretext="mask").view_as(image)
        return (guess - image).square()[where].mean()

    see = partial(look, strength=1.0, flip=False)
    once = see(image, rng=Generator().manual_seed(int(given.seed)))
    black = image.masked_fill(hidden, 0.0)
    return every(
        told(
            "contrast",
            got["contrast"],
            contrast(views),
            {
                "self.head is left out": contrast(views, headed=False),
                "self.temperature is not handed on": contrast(views, 0.2),
                "the temperature is 1": contrast(views, 1.0),
                "the pictures themselves are compared: make two views": contrast(
                    image.repeat(2, 1, 1, 1)
                ),
            },
        ),
        told(
            "turn",
            got["turn"],
            turn(once),
            {
                "the picture itself is turned: turn a view of it": turn(image),
                "the quarter turns are not told": turn(once, blocks=False),
            },
        ),
        told(
            "mask",
            got["mask"],
            mask(black, hidden),
            {
                "the encoder sees what is hidden: black it out": mask(image, hidden),
                "what is seen counts, too": mask(black, torch.ones_like(hidden)),
                "what is hidden is seen, and the rest blacked out": mask(
                    image.masked_fill(~hidden, 0.0), hidden
                ),
            },
        ),
    )


# What the model is scored by ----------------------------------------------------------------------

SET, MOST, AGAIN = "digits", 256, 64
DRAWS, EACH, RANDOM, SCALE = 60, 10, 10, 16


def ask(player: Player, image: Tensor, rng: Generator) -> Tensor:
    """Features of pictures, float64 [N, D], each by its picture alone: some are asked once more."""
    form = "float32 [N, *]"
    h = player.call("features", image, returns=form)
    if h.shape[1] > MOST:
        raise ValueError(f"features: at most {MOST} of a picture, not {h.shape[1]}")
    some = torch.randperm(len(image), generator=rng)[:AGAIN]
    player.forget()
    if not torch.allclose(
        player.call("features", image[some], returns=form), h[some], rtol=1e-3, atol=1e-3
    ):
        raise ValueError(
            "features: they must depend on the picture alone, not on others or on earlier calls"
        )
    return torch.nan_to_num(h.double(), posinf=0.0, neginf=0.0)


@torch.no_grad()
def at_random(image: Tensor, seed: int) -> Tensor:
    """Features of an encoder whose weights nobody has trained, the scorer's own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Encoder(SCALE)(pixels(image)).double()


def ten_of_each(label: Tensor, rng: Generator) -> Tensor:
    """Places of ten items of each class, by chance."""
    order = torch.randperm(len(label), generator=rng)
    return torch.cat([order[label[order] == k][:EACH] for k in label.unique()])


def right(h: Tensor, known: Tensor, label: Tensor, truth: Tensor, picked: Tensor) -> Tensor:
    """How often each of N items is right, by probes of features of items that were picked, [N]."""
    classes, hits = int(label.max()) + 1, torch.zeros(len(h), dtype=torch.float64)
    for place in picked:
        x, mean, scale = known[place], known[place].mean(0), known[place].std(0, correction=0)
        scale = scale.clamp(min=1e-6)
        x, y = (x - mean) / scale, F.one_hot(label[place], classes).double()
        # As `linear_probe` with ridge 10, solved for the items where they are fewer than features.
        weight = torch.linalg.solve(x @ x.T + 10 * torch.eye(len(x), dtype=x.dtype), y)
        hits += ((h - mean) / scale @ (x.T @ weight)).argmax(1) == truth
    return hits / len(picked)


@play("probe", items=True)
def probe(player: Player, rng: Generator, items) -> Tensor:
    """How much oftener a linear probe of ten labels a class is right by the model's features than
    by those of ten untrained encoders, in sixty draws of the labels.
    """
    known, image = load(SET, "train"), items.inputs["image"]
    both = torch.cat([known["image"], image])
    own, random = ask(player, both, rng), [at_random(both, seed) for seed in range(RANDOM)]
    picked = torch.stack([ten_of_each(known["label"], rng) for _ in range(DRAWS)])
    L, truth = len(known["image"]), items.labels()["label"]
    hits = [right(h[L:], h[:L], known["label"], truth, picked) for h in (own, *random)]
    return hits[0] - torch.stack(hits[1:]).mean(0)


SEEN, LOOKS = 256, 8  # as many pictures are told apart, however many items there are; how often


@play("views", items=True)
def partners_found(player: Player, rng: Generator, items) -> Tensor:
    """How often the nearest of 511 other views is that of the same picture, by features alone.

    The scorer draws the views, those of strength 1, eight times, and centres the features.
    """
    image = items.inputs["image"]
    image = pixels(image[torch.randperm(len(image), generator=rng)[:SEEN]])
    views = torch.cat([look(image, 1.0, False, rng) for _ in range(2 * LOOKS)])
    h = ask(player, (16 * views).round().to(torch.uint8), rng).view(LOOKS, 2 * len(image), -1)
    best = [alone(cosines(Given(), 1.0, h_V - h_V.mean(0))).argmax(1) for h_V in h]
    V = 2 * len(image)
    return (torch.stack(best) == (torch.arange(V) + V // 2) % V).double().mean(0)


@dream("What is near, before and after", items=True)
def near(player: Player, rng: Generator, items) -> Iterator[exhibits.Exhibit]:
    """Neighbours by untrained and by your features, how many directions they use, and a map."""
    image = items.inputs["image"]
    sets = {
        "pixels": pixels(image).flatten(1).double(),
        "untrained": at_random(image, 0),
        "yours": ask(player, image, rng),
    }
    shown = torch.randperm(len(image), generator=rng)[:6]
    for name, h in sets.items():
        s = alone(cosines(Given(), 1.0, h))[shown]
        row = torch.cat([shown[:, None], s.topk(7, dim=1).indices], 1)
        yield exhibits.pictures(
            f"Six digits, each before its seven neighbours: {name}", pixels(image[row.flatten()])
        )
    spectra = {name: torch.linalg.svdvals(h - h.mean(0)) for name, h in sets.items()}
    rows = [(k + 1, *(float(v[k] / v.sum()) for v in spectra.values())) for k in range(12)]
    ranks = ("effective rank", *(float(rank_of(v)) for v in spectra.values()))
    yield exhibits.table(
        "Singular values, as shares of their sum", ("direction", *sets), [*rows, ranks]
    )
    label, names = items.labels()["label"], find(SET).columns["label"].classes
    for name, h in sets.items():
        centred = h - h.mean(0)
        _, _, axes = torch.linalg.svd(centred, full_matrices=False)
        yield exhibits.points(
            f"The two widest directions: {name}", centred @ axes[:2].T, label, names
        )
