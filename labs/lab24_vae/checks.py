"""The visible checks of lab 24, in the order of its tasks, what scores its model, and a dream.

The bound is added up here: the scorer draws the noise, and asks encoder and decoder apart.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from dllab.checks import (
    Arrays,
    Given,
    Outcome,
    check,
    dream,
    every,
    exhibits,
    holds,
    integers,
    normal,
    play,
)
from dllab.data import find, load

PIXELS, UNITS, HIDDEN = 6, 3, 4  # of a toy
Way = Callable[[Given], Any]

# Pictures of two colours --------------------------------------------------------------------------

DRAWS = 2000


def levels(rng: torch.Generator) -> Arrays:
    """One picture many times: black, white, and four greys that lie apart."""
    grey = torch.tensor([0, 40, 90, 170, 220, 255]) + torch.tensor([0, 1, 1, 1, 1, 0]) * int(
        torch.randint(0, 15, (), generator=rng)
    )
    image = grey[torch.randperm(PIXELS, generator=rng)].to(torch.uint8).view(1, 1, 2, 3)
    seed = torch.randint(10_000, (), generator=rng)
    return {"image": image.expand(DRAWS, -1, -1, -1).contiguous(), "seed": seed}


def binarize_probe(lab, given) -> Arrays:
    """Two draws of one generator, and the first again by its seed."""
    rng, twin = (torch.Generator().manual_seed(int(given.seed)) for _ in range(2))
    order = {"first": rng, "second": rng, "again": twin}
    return {name: lab.binarize(given.image.clone(), by) for name, by in order.items()}


@check(
    "binarize",
    "Black and white",
    given=levels,
    probe=binarize_probe,
    returns=dict.fromkeys(("first", "second", "again"), f"float32 [{DRAWS}, {PIXELS}]"),
)
def binarize(given: Given, got: Arrays) -> Outcome:
    """`binarize` draws each pixel white as often as it is bright, by rng."""
    p, x = given.image[0].flatten() / 255, got["first"]
    often = x.mean(0)
    return every(
        holds(((x == 0) | (x == 1)).all(), "there are other numbers than 0 and 1"),
        holds(
            (x[1:] != x[0]).any() or not torch.equal(x, got["second"]),
            "a threshold decides: draw by chance",
        ),
        holds((often - (1 - p)).abs().max() > 0.05, "bright pixels are black: draw white"),
        holds((x[1:] != x[0]).any(), "one draw serves all pictures"),
        holds((often[p == 1] == 1).all(), "255 is not always white: divide by 255"),
        holds(
            (often - p).abs().max() < 0.05,
            f"of brightness {p.tolist()} came white in shares {often.tolist()}",
        ),
        holds(torch.equal(x, got["again"]), "the same seed draws another: draw from rng alone"),
        holds(not torch.equal(x, got["second"]), "each call draws the same"),
    )


# The terms of the bound ---------------------------------------------------------------------------


def pixels(g: Given, **other: Tensor) -> Tensor:
    """The logarithm of each pixel's probability, [B, D]."""
    g = g | other
    return torch.distributions.Bernoulli(logits=g.logits).log_prob(g.x)


@check(
    "reconstruction",
    "The picture given its code",
    given={"logits": normal(3, PIXELS, std=3), "x": integers(0, 2, 3, PIXELS, dtype=torch.float32)},
    expect=lambda g: pixels(g).sum(1),
    mistakes={
        "this is the mean over the pixels: log probabilities add up": lambda g: pixels(g).mean(1),
        "this is the loss, -log p: the sign is the other way": lambda g: -pixels(g).sum(1),
        "sigmoid was taken twice: logits go straight in": lambda g: pixels(
            g, logits=g.logits.sigmoid()
        ).sum(1),
        "this is the squared error: the pixels are drawn, not disturbed": lambda g: (
            -(g.logits.sigmoid() - g.x).square().sum(1)
        ),
        "the squared error of logits: these are no chances yet": lambda g: (
            -(g.logits - g.x).square().sum(1)
        ),
        "only white pixels count: black ones have a probability, too": lambda g: (
            pixels(g) * g.x
        ).sum(1),
        "black and white are swapped": lambda g: pixels(g, x=1 - g.x).sum(1),
        "summed over the batch: one number for each picture": lambda g: pixels(g).sum(0)[:3],
    },
    grad=("logits",),
)
def reconstruction(lab, given) -> Tensor:
    """`log_bernoulli` adds up log p of all pixels of a picture, from raw logits."""
    return lab.log_bernoulli(given.logits, given.x)


CODE = {"mean": normal(4, UNITS), "log_var": normal(4, UNITS)}


@check(
    "reparameterize",
    "A sample that gradients flow through",
    given={**CODE, "noise": normal(4, UNITS)},
    expect=lambda g: g.mean + g.log_var.exp().sqrt() * g.noise,
    mistakes={
        "the log-variance is taken for the variance": lambda g: (
            g.mean + g.log_var.abs().sqrt() * g.noise
        ),
        "the log-variance is taken for the deviation": lambda g: g.mean + g.log_var * g.noise,
        "the noise is scaled by the variance: take its root": lambda g: (
            g.mean + g.log_var.exp() * g.noise
        ),
        "the deviation is inverted": lambda g: g.mean + (-g.log_var / 2).exp() * g.noise,
        "the mean is left out": lambda g: (g.log_var / 2).exp() * g.noise,
        "mean and deviation are both multiplied by the noise": lambda g: (
            (g.mean + (g.log_var / 2).exp()) * g.noise
        ),
        "the noise is left out: this is an autoencoder": lambda g: g.mean,
    },
    grad=("mean", "log_var"),
)
def reparameterize(lab, given) -> Tensor:
    """A sample is mean + deviation · noise, and gradients reach mean and log-variance."""
    return lab.reparameterize(given.mean, given.log_var, given.noise)


def divergence(g: Given, **other: Tensor) -> Tensor:
    """Of each unit, [B, Z]."""
    g = g | other
    return kl_divergence(Normal(g.mean, (g.log_var / 2).exp()), Normal(0.0, 1.0))


@check(
    "kl",
    "How far from the prior",
    given=CODE,
    expect=lambda g: divergence(g).sum(1),
    mistakes={
        "the mean over the units: their divergences add up": lambda g: divergence(g).mean(1),
        "the sum over the batch, too: one number for each picture": lambda g: (
            divergence(g).sum().expand(4)
        ),
        "the log-variance is taken for the variance": lambda g: divergence(
            g, log_var=g.log_var.abs().clamp_min(1e-9).log()
        ).sum(1),
        "the log-variance is taken for the log-deviation": lambda g: divergence(
            g, log_var=2 * g.log_var
        ).sum(1),
        "this is negative: a divergence never is": lambda g: -divergence(g).sum(1),
        "the half is missing": lambda g: 2 * divergence(g).sum(1),
        "the mean does not count": lambda g: divergence(g, mean=0 * g.mean).sum(1),
        "the mean is not squared": lambda g: (g.mean + g.log_var.exp() - 1 - g.log_var).sum(1) / 2,
        "the 1 is missing": lambda g: (divergence(g) + 0.5).sum(1),
        "the divergence is taken the other way round": lambda g: kl_divergence(
            Normal(0.0, 1.0), Normal(g.mean, (g.log_var / 2).exp())
        ).sum(1),
    },
    grad=("mean", "log_var"),
)
def kl(lab, given) -> Tensor:
    """The divergence is that of torch.distributions, summed over the units of each picture."""
    return lab.kl_to_prior(given.mean, given.log_var)


STEPS = (0, 3, 10, 25)


def warmed(g: Given, way=lambda t, T, b: b * min(1, t / T) if T else b) -> Arrays:
    """The weight at some steps, and without a warm-up."""
    T, b = int(g.steps), float(g.beta)
    found = {f"at step {t} of {T}": torch.tensor(float(way(t, T, b))) for t in STEPS}
    return found | {"at step 0 of 0": torch.tensor(float(way(0, 0, b)))}


def unwarmed(way) -> Way:
    """A wrong way, which does without a warm-up as it should."""
    return lambda g: warmed(g, lambda t, T, b: way(t, T, b) if T else b)


@check(
    "warm-up",
    "The divergence sets in",
    given={"steps": 10, "beta": lambda rng: 2 + torch.rand((), generator=rng)},
    expect=warmed,
    mistakes={
        "it rises on behind the last step": unwarmed(lambda t, T, b: b * t / T),
        "it rises to 1, not to beta": unwarmed(lambda t, T, b: min(1, t / T)),
        "it stops at 1, beta or not": unwarmed(lambda t, T, b: min(1, b * t / T)),
        "it is a step ahead: at step 0 the weight is 0": unwarmed(
            lambda t, T, b: b * min(1, (t + 1) / T)
        ),
        "it falls": unwarmed(lambda t, T, b: b * (1 - min(1, t / T))),
        "it jumps: 0 before the last step, beta from there": unwarmed(lambda t, T, b: b * (t >= T)),
        "it is beta from the first step on": unwarmed(lambda t, T, b: b),
        "without a warm-up the weight is beta": lambda g: warmed(
            g, lambda t, T, b: b * min(1, t / T) if T else 0
        ),
    },
)
def warm_up(lab, given) -> Arrays:
    """The weight rises evenly from 0 to beta, stays there, and is beta where there are no steps."""
    return warmed(given, lab.warm_up)


@check(
    "vae-loss",
    "The loss",
    given={
        "log_px": normal(5, mean=-9),
        "kl": lambda rng: 1 + torch.rand(5, generator=rng),
        "beta": 4.0,
    },
    expect=lambda g: (g.beta * g.kl - g.log_px).mean(),
    mistakes={
        "the sum over the batch: take the mean": lambda g: (g.beta * g.kl - g.log_px).sum(),
        "beta weighs the reconstruction: it belongs to the divergence": lambda g: (
            g.kl - g.beta * g.log_px
        ).mean(),
        "beta is left out": lambda g: (g.kl - g.log_px).mean(),
        "this is the bound: the loss is minus that": lambda g: (g.log_px - g.beta * g.kl).mean(),
        "the divergence is rewarded: it has the other sign": lambda g: (
            -g.beta * g.kl - g.log_px
        ).mean(),
        "log p has the wrong sign": lambda g: (g.beta * g.kl + g.log_px).mean(),
        "the divergence is left out": lambda g: -g.log_px.mean(),
    },
    grad=("log_px", "kl"),
)
def vae_loss(lab, given) -> Tensor:
    """It is the mean over the batch of beta · KL - log p(x|z)."""
    return lab.vae_loss(given.log_px, given.kl, float(given.beta))


# A tighter bound ----------------------------------------------------------------------------------


def density(g: Given, **other: Tensor) -> Tensor:
    """The log density of each unit, [K, B, Z]."""
    g = g | other
    return Normal(g.mean, (g.log_var / 2).exp()).log_prob(g.z)


@check(
    "log-normal",
    "The density of a sample",
    given={**CODE, "z": normal(2, 4, UNITS)},
    expect=lambda g: density(g).sum(-1),
    mistakes={
        "the log-variance is taken for the log-deviation": lambda g: density(
            g, log_var=2 * g.log_var
        ).sum(-1),
        "log 2π is missing": lambda g: (density(g) + math.log(2 * math.pi) / 2).sum(-1),
        "the log-variance is missing": lambda g: (density(g) + g.log_var / 2).sum(-1),
        "the mean over the units: log densities add up": lambda g: density(g).mean(-1),
        "the sign of the log-variance is wrong": lambda g: (density(g) + g.log_var).sum(-1),
        "the difference is not squared": lambda g: (
            -(math.log(2 * math.pi) + g.log_var + (g.z - g.mean) / g.log_var.exp()) / 2
        ).sum(-1),
        "the half is missing": lambda g: 2 * density(g).sum(-1),
        "multiplied by the variance: divide": lambda g: (
            -(math.log(2 * math.pi) + g.log_var + (g.z - g.mean).square() * g.log_var.exp()) / 2
        ).sum(-1),
    },
    grad=("mean", "log_var", "z"),
    rtol=1e-4,
)
def log_normal(lab, given) -> Tensor:
    """It is the log density of torch.distributions, summed over the units, of K samples at once."""
    return lab.log_normal(given.z, given.mean, given.log_var)


def weights(g: Given, p: int = 1, q: int = -1) -> Tensor:
    """The logarithms of the weights, [K, B]."""
    return g.log_px + p * g.log_pz + q * g.log_qz


def bound_of(log_w: Tensor) -> Tensor:
    """The bound of these weights, [B]."""
    return log_w.logsumexp(0) - math.log(len(log_w))


@check(
    "importance-bound",
    "The importance-weighted bound",
    given={
        "log_px": normal(5, 3, mean=-4, std=2),
        "log_pz": normal(5, 3, mean=-3),
        "log_qz": normal(5, 3, mean=-2),
    },
    expect=lambda g: bound_of(weights(g)),
    mistakes={
        "the mean of logarithms, not the logarithm of the mean: that is no tighter": lambda g: (
            weights(g).mean(0)
        ),
        "log K is missing: this is the sum, not the mean": lambda g: weights(g).logsumexp(0),
        "log K is added: the mean divides": lambda g: weights(g).logsumexp(0) + math.log(5),
        "the largest weight alone: take the mean of all": lambda g: weights(g).amax(0),
        "the mean runs over the pictures, not over the samples": lambda g: bound_of(weights(g).T)[
            :3
        ],
        "q(z|x) is multiplied: divide by it": lambda g: bound_of(weights(g, q=1)),
        "q(z|x) is left out": lambda g: bound_of(weights(g, q=0)),
        "the prior is left out": lambda g: bound_of(weights(g, p=0)),
        "p(z) and q(z|x) are swapped": lambda g: bound_of(weights(g, p=-1, q=1)),
        "this is the loss, minus the bound": lambda g: -bound_of(weights(g)),
        "the mean of the weights: its logarithm is missing": lambda g: weights(g).exp().mean(0),
    },
    grad=("log_px", "log_pz", "log_qz"),
    rtol=1e-4,
)
def importance_bound(lab, given) -> Tensor:
    """It is the log of the mean over K of p(x|z) p(z) / q(z|x), for each picture."""
    return lab.importance_bound(given.log_px, given.log_pz, given.log_qz)


# What the code is good for ------------------------------------------------------------------------

LEAST = 0.01


def some_units(rng: torch.Generator) -> Arrays:
    """Units that vary much, or little around a large mean, some near the border, in any order."""
    std = torch.tensor([2.0, 0.1005, 0.0995, 0.05, 0.001, 0.0])[torch.randperm(6, generator=rng)]
    noise = torch.randn(40, 6, generator=rng)
    noise = (noise - noise.mean(0)) / noise.std(0, correction=0)
    around = torch.where(std == std[std < 0.1].max(), 0, 3 + torch.randn(6, generator=rng))
    return {"mean": around + std * noise}


def varying(g: Given, least: float = LEAST, measure=lambda m: m.var(0, correction=0)) -> Tensor:
    """Where what is measured lies above the least."""
    return measure(g.mean) > least


@check(
    "active-units",
    "Units that say something",
    given=some_units,
    expect=varying,
    mistakes={
        "a deviation is compared: take the variance": partial(varying, measure=lambda m: m.std(0)),
        "the variance divides by N, not by N - 1": partial(varying, measure=lambda m: m.var(0)),
        "the size of the mean is compared: how much does it vary?": partial(
            varying, measure=lambda m: m.square().mean(0)
        ),
        "these are the collapsed units": lambda g: ~varying(g),
        "the units of each picture are compared, not the pictures": lambda g: (
            g.mean.var(1) > LEAST
        )[:6],
        "every unit counts that varies at all": partial(varying, least=0),
    },
)
def active_units(lab, given) -> Tensor:
    """A unit is active where its mean varies by more than 0.01 over the pictures."""
    return lab.active_units(given.mean)


def some_codes(rng: torch.Generator) -> Arrays:
    """Codes around five labelled ones, whose labels are no places."""
    known = 9 * torch.eye(5)[:, : UNITS + 1] + torch.randn(5, UNITS + 1, generator=rng)
    near = torch.randint(5, (8,), generator=rng)
    code = known[near] + torch.randn(8, UNITS + 1, generator=rng) / 2
    return {"code": code, "known": known, "label": torch.tensor([7, 2, 7, 4, 9])}


def nearest(g: Given, far: int = 1) -> Tensor:
    """The labels of the nearest, or of the farthest."""
    return g.label[(far * torch.cdist(g.code, g.known)).argmin(1)]


@check(
    "few-labels-codes",
    "The nearest label",
    given=some_codes,
    expect=nearest,
    mistakes={
        "this is the place of the nearest code: look up its label": lambda g: torch.cdist(
            g.code, g.known
        ).argmin(1),
        "the farthest code is asked": partial(nearest, far=-1),
        "each known code is asked for its nearest": lambda g: g.label[
            torch.cdist(g.known, g.code).argmin(1).clamp(max=4)
        ].repeat(2)[:8],
        "a small product is not a small distance": lambda g: g.label[
            (g.code @ g.known.T).argmin(1)
        ],
    },
)
def few_labels_codes(lab, given) -> Tensor:
    """Each code gets the label of the known code that lies nearest."""
    return lab.classify(given.code, given.known, given.label)


# The model ----------------------------------------------------------------------------------------

SIZES = [(PIXELS, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 2 * UNITS)]
SIZES += [(UNITS, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, PIXELS)]
LAYERS = [f"{half}.{place}" for half in ("encoder", "decoder") for place in (0, 2, 4)]
TOY = {
    **{f"{n}.weight": normal(b, a, std=0.7) for n, (a, b) in zip(LAYERS, SIZES, strict=True)},
    **{f"{n}.bias": normal(b, std=0.5) for n, (_, b) in zip(LAYERS, SIZES, strict=True)},
}
X = integers(0, 2, 4, PIXELS, dtype=torch.float32)


def toy(lab, g: Given) -> nn.Module:
    """The learner's Model in toy size, with the drawn parameters."""
    model = lab.Model(pixels=PIXELS, hidden=HIDDEN, latent=UNITS)
    model.load_state_dict({name: g[name] for name in TOY})
    return model


def through(g: Given, half: str, x: Tensor) -> Tensor:
    """What an encoder or a decoder of the drawn parameters answers."""
    for place in (0, 2, 4):
        x = F.linear(x, g[f"{half}.{place}.weight"], g[f"{half}.{place}.bias"])
        x = x.relu() if place < 4 else x
    return x


def encoded(g: Given, x: Tensor) -> Arrays:
    """q(z|x) of these pictures."""
    both = through(g, "encoder", x)
    return {"mean": both[:, :UNITS], "log_var": both[:, UNITS:]}


@check(
    "encode",
    "Mean and log-variance",
    given={**TOY, "x": X},
    expect=lambda g: encoded(g, g.x),
    mistakes={
        "mean and log-variance are swapped": lambda g: {
            "mean": encoded(g, g.x)["log_var"],
            "log_var": encoded(g, g.x)["mean"],
        },
        "every other number is a mean: the first half is": lambda g: {
            "mean": through(g, "encoder", g.x)[:, ::2],
            "log_var": through(g, "encoder", g.x)[:, 1::2],
        },
        "this is the variance: return its logarithm, as it is": lambda g: {
            "log_var": encoded(g, g.x)["log_var"].exp()
        },
        "this is the log-deviation": lambda g: {"log_var": encoded(g, g.x)["log_var"] / 2},
        "both are the same half": lambda g: {"log_var": encoded(g, g.x)["mean"]},
    },
)
def encode(lab, given) -> Arrays:
    """`encode` gives the first half as mean, the second as log-variance."""
    return dict(toy(lab, given).encode(given.x))


ONE, MANY = "with one sample", "with three samples"
BETA = 4.0


def samples(g: Given, k: int, own: bool = True) -> Tensor:
    """Samples of the drawn noise, [k, B, Z]."""
    q, noise = encoded(g, g.x), g.noise[:k] if own else g.noise[:1].expand(k, -1, -1)
    return q["mean"] + (q["log_var"] / 2).exp() * noise


def terms(g: Given, z: Tensor) -> Given:
    """What the weights are made of, of samples [k, B, Z]."""
    q = encoded(g, g.x)
    log_px = pixels(Given(logits=through(g, "decoder", z), x=g.x.expand(len(z), -1, -1))).sum(-1)
    log_qz = Normal(q["mean"], (q["log_var"] / 2).exp()).log_prob(z).sum(-1)
    return Given(log_px=log_px, log_pz=Normal(0.0, 1.0).log_prob(z).sum(-1), log_qz=log_qz)


def losses(g: Given, beta: float = BETA, own: bool = True) -> Arrays:
    """The loss of one sample, and of three."""
    one, q = terms(g, samples(g, 1)), divergence(Given(encoded(g, g.x))).sum(1)
    many = terms(g, samples(g, 3, own))
    return {
        ONE: (beta * q - one.log_px[0]).mean(),
        MANY: -bound_of(weights(many)).mean(),
        "elbo of three": (q - many.log_px.mean(0)).mean(),
        "weights of one": -weights(one).mean(),
        "swapped": -bound_of(weights(many, p=-1, q=1)).mean(),
        "decoded means": (beta * q - terms(g, encoded(g, g.x)["mean"][None]).log_px[0]).mean(),
    }


def only(*names: str, **how: Any) -> Way:
    """Some of these losses."""
    return lambda g: {name: losses(g, **how)[name] for name in names}


@check(
    "loss",
    "The whole loss",
    given={**TOY, "x": X, "noise": normal(3, 4, UNITS)},
    expect=only(ONE, MANY),
    mistakes={
        "the mean of the code is decoded: decode the sample": lambda g: {
            ONE: losses(g)["decoded means"]
        },
        "beta is left out": lambda g: {ONE: losses(g, beta=1.0)[ONE]},
        "one sample wants the exact divergence": lambda g: {ONE: losses(g)["weights of one"]},
        "with three samples this is their mean ELBO: use importance_bound": lambda g: {
            MANY: losses(g)["elbo of three"]
        },
        "p(z) and q(z|x) are swapped": lambda g: {MANY: losses(g)["swapped"]},
        "all samples have the first one's noise": only(MANY, own=False),
        "this is the bound: the loss is minus that": lambda g: {MANY: -losses(g)[MANY]},
    },
    depends_on=(
        "reconstruction",
        "reparameterize",
        "kl",
        "vae-loss",
        "log-normal",
        "importance-bound",
        "encode",
    ),
    rtol=1e-4,
)
def loss(lab, given) -> Arrays:
    """One sample makes the loss of the VAE, more make minus the importance-weighted bound."""
    model = toy(lab, given)
    return {
        ONE: model.loss(given.x, given.noise[:1], BETA),
        MANY: model.loss(given.x, given.noise, BETA),
    }


COUNT = 3000


def sample_probe(lab, given) -> Arrays:
    """Samples of a model whose decoder shows z itself, twice with one seed, once with another."""
    model = lab.Model(pixels=UNITS, hidden=HIDDEN, latent=UNITS)
    model.decoder = nn.Identity()
    seed = int(given.seed)
    seeds = {"first": seed, "again": seed, "other": seed + 1}
    return {name: model.sample(COUNT, by) for name, by in seeds.items()}


@check(
    "sample",
    "Pictures that nobody has drawn",
    given={"seed": integers(0, 10_000)},
    probe=sample_probe,
    returns=dict.fromkeys(("first", "again", "other"), f"float32 [{COUNT}, {UNITS}]"),
    hint="sample",
)
def sample(given: Given, got: Arrays) -> Outcome:
    """`sample` decodes codes from the prior, and its seed decides which."""
    x = got["first"].double()
    z = x.clamp(1e-9, 1 - 1e-9).logit()
    sd, corner = z.std(0), torch.corrcoef(z.T)[0, 1].abs()
    return every(
        holds(((x >= 0) & (x <= 1)).all(), "these are logits: the sigmoid makes chances of them"),
        holds((x.std(0) > 1e-3).all(), "all samples are alike: draw a code for each"),
        holds(not torch.equal(x, x.round()), "pixels were drawn: return the chances"),
        holds(corner < 0.5, "one number serves all units: draw Z of them"),
        holds(
            (z.mean(0).abs() < 0.15).all() and ((sd > 0.85) & (sd < 1.15)).all(),
            f"codes have means {z.mean(0).tolist()} and deviations {sd.tolist()}, not 0 and 1",
        ),
        holds(torch.equal(got["first"], got["again"]), "the same seed draws others: use generator"),
        holds(not torch.equal(got["first"], got["other"]), "the seed is ignored"),
    )


def way_between(g: Given, steps: int = 5, mix=torch.lerp, ends=(0, 1)) -> Tensor:
    """Decoded codes on the way."""
    start, end = (encoded(g, g.x)["mean"][i] for i in ends)
    return through(g, "decoder", mix(start, end, torch.linspace(0, 1, steps)[:, None])).sigmoid()


def telling_way(rng: torch.Generator) -> Arrays:
    """Draw a toy and pictures whose codes lie apart, on a way that bends."""
    while True:
        g = Given({name: draw(rng) for name, draw in {**TOY, "x": X}.items()})
        way = way_between(g)
        if (way[0] - way[-1]).abs().max() > 0.1 and (way[2] - way[::4].mean(0)).abs().max() > 0.01:
            return dict(g)


@check(
    "interpolate",
    "From one to another",
    given=telling_way,
    expect=way_between,
    mistakes={
        "the pictures are mixed, not their codes": lambda g: torch.lerp(
            g.x[0], g.x[1], torch.linspace(0, 1, 5)[:, None]
        ),
        "the decoded ends are mixed: mix the codes": lambda g: torch.lerp(
            way_between(g)[0], way_between(g)[-1], torch.linspace(0, 1, 5)[:, None]
        ),
        "it runs the other way": partial(way_between, ends=(1, 0)),
        "these are logits: the sigmoid makes chances of them": lambda g: way_between(g).logit(),
        "the last picture is not reached": lambda g: way_between(g, 6)[:5],
        "the first picture is left out": lambda g: way_between(g, 6)[1:],
        "both ends are left out": lambda g: way_between(g, 7)[1:6],
    },
    depends_on=("encode",),
    rtol=1e-4,
)
def interpolate(lab, given) -> Tensor:
    """`interpolate` decodes codes on the straight way between two means, both ends included."""
    return toy(lab, given).interpolate(given.x[0], given.x[1], 5)


# What the model is scored by ----------------------------------------------------------------------

SET, SHOWN = "fashion_mnist", 784
SAMPLES, AGAIN, WORST = 4, 256, 10_000.0
LIKE_Q = {"mean": "float32 [N, *]", "log_var": "float32 [N, *]"}


def drawn(image: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures in black and white, as the scorer draws them, [N, D]."""
    return torch.bernoulli(image.flatten(1).float() / 255, generator=rng)


def ask(player, x: Tensor) -> Given:
    """q(z|x) as the model says it, in float64."""
    q = player.call("encode", x, returns=LIKE_Q)
    if q["mean"].shape != q["log_var"].shape or q["mean"].shape[1] > SHOWN:
        raise ValueError("encode: mean and log_var are of one shape, with fewer units than pixels")
    return Given({name: value.double() for name, value in q.items()})


def decoded(player, z: Tensor) -> Tensor:
    """Logits of codes [M, Z], as the model answers."""
    z = z.clamp(-1e6, 1e6).float()
    return player.call("decode", z, returns=f"float32 [N, {SHOWN}]").double()


def decoded_alone(player, z: Tensor, rng: torch.Generator) -> Tensor:
    """Logits of codes [M, Z], by a model that has seen no picture and takes each code for itself.

    The codes come in another order. Some come again, in other company, to a process of their own.
    """
    order, some = (torch.randperm(len(z), generator=rng) for _ in range(2))
    player.forget()
    logits = decoded(player, z[order])[order.argsort()]
    some = some[:AGAIN]
    player.forget()
    if not torch.allclose(decoded(player, z[some]), logits[some], atol=1e-3, rtol=1e-3):
        raise ValueError("decode: p(x|z) must depend on z alone, not on other codes or calls")
    return logits


def weighed(player, image: Tensor, samples: int, rng: torch.Generator, decode=decoded) -> Tensor:
    """Log weights of samples from q(z|x), float64 [K, N]."""
    x = drawn(image, rng)
    q = ask(player, x)
    noise = torch.randn(samples, *q.mean.shape, generator=rng, dtype=torch.float64)
    z = torch.nan_to_num(q.mean + (q.log_var / 2).exp() * noise)
    logits = decode(player, z.flatten(0, 1)).view(samples, len(x), -1)
    log_px = pixels(Given(logits=logits, x=x.double().expand_as(logits))).sum(-1)
    log_pz, log_qz = -z.square().sum(-1) / 2, -(noise.square() + q.log_var).sum(-1) / 2
    return log_px + log_pz - log_qz


@play("nats", items=True)
def nats(player, rng, items) -> Tensor:
    """Nats that a new picture costs, by the bound of four samples: the scorer draws and adds up."""
    log_w = weighed(player, items.inputs["image"], SAMPLES, rng, partial(decoded_alone, rng=rng))
    return torch.nan_to_num(-bound_of(log_w), nan=WORST).clamp(max=WORST)


TIMES, EACH = 100, 10


@play("few-labels", items=True)
def neighbours(player, rng, items) -> Tensor:
    """How much oftener the nearest of a hundred labelled pictures is of the right class by codes
    than by pixels, in a hundred draws of the hundred.
    """
    known = load(SET, "train")
    picked = torch.stack([ten_of_each(known["label"], rng) for _ in range(TIMES)])
    x = drawn(items.inputs["image"], rng)
    shown = drawn(known["image"][picked.flatten()], rng)
    code, shown_code = ask(player, x).mean, ask(player, shown).mean
    label, known_label = items.labels()["label"], known["label"][picked]

    def right(one: Tensor, others: Tensor) -> Tensor:
        far = (torch.cdist(one, each) for each in others.view(*picked.shape, -1))
        said = [labels[d.argmin(1)] for labels, d in zip(known_label, far, strict=True)]
        return (torch.stack(said) == label).double().mean(0)

    return right(code, shown_code) - right(x, shown)


def ten_of_each(label: Tensor, rng: torch.Generator) -> Tensor:
    """Places of ten items of each class, in an order by chance."""
    order = torch.randperm(len(label), generator=rng)
    return torch.cat([order[label[order] == k][:EACH] for k in label.unique()])


@dream("What it makes", arm="main", returns=f"float32 [N, {SHOWN}]", items=True)
def makes(player, rng, items):
    """Pictures nobody has drawn, ways between two, what a picture costs, and where codes lie."""
    seed = int(torch.randint(2**31, (), generator=rng))
    yield exhibits.pictures(f"Samples of seed {seed}", player.sample(32, seed).view(-1, 1, 28, 28))
    image = items.inputs["image"]
    ends = drawn(image[torch.randperm(len(image), generator=rng)[:8]], rng)
    form = "float32 [8, 784]"
    ways = [player.call("interpolate", a, b, 8, returns=form) for a, b in ends.split(2)]
    yield exhibits.pictures("From one picture to another", torch.cat(ways).view(-1, 1, 28, 28))
    some = image[torch.randperm(len(image), generator=rng)[:100]]
    log_w = weighed(player, some, 32, rng)
    rows = [(k, float(-bound_of(log_w[:k]).mean())) for k in (1, 2, 4, 8, 16, 32)]
    yield exhibits.table("The bound over 100 pictures", ["samples", "nats"], rows)
    code = ask(player, drawn(image[:1000], rng)).mean
    active = int((code.var(0, correction=0) > LEAST).sum())
    _, _, axes = torch.linalg.svd(code - code.mean(0), full_matrices=False)
    place = (code - code.mean(0)) @ axes[:2].T
    label, names = items.labels()["label"][:1000], find(SET).columns["label"].classes
    yield exhibits.points(
        f"Codes, {active} active units, from their widest side", place, label, names
    )
