"""Lab 24: variational autoencoders, from the bound to pictures that nobody has drawn.

Work through the TODOs from top to bottom. `pytest labs/lab24_vae` checks them, `dllab hint 24 TASK`
helps, `dllab train 24` trains the model and grades the run, `dllab dream 24` shows what it makes.

Shapes stand in the names: B pictures of D pixels, Z latent units, K samples; `z_BZ` is [B, Z].
A picture is drawn in black and white, x in {0, 1}. All logarithms are natural, so that what they
add up to is in nats.
"""

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn

from dllab.data import BatchLoader, load

# ------------------------------------------------------------------ pictures of two colours


def binarize(image_BCHW: Tensor, rng: torch.Generator) -> Tensor:
    """Draw each pixel white as often as it is bright, float32 [B, D] of 0 and 1.

    Pixels are uint8: 0 is never white, 255 always is. Each call draws another version of the same
    pictures.
    """
    # TODO binarize: return the pictures, float32 [B, D].
    # The chance of white is the pixel divided by 255. Draw from `rng` (torch.rand or
    # torch.bernoulli take generator=), and flatten all but the batch.
    raise NotImplementedError("TODO binarize: return the pictures, float32 [B, D].")


# ------------------------------------------------------------------ the terms of the bound


def log_bernoulli(logits_BD: Tensor, x_BD: Tensor) -> Tensor:
    """The logarithm of p(x | z) of each picture, [B]; sigmoid(logits) are chances of white."""
    # TODO reconstruction: return log p(x | z), float32 [B].
    # The pixels are independent given z, so their logarithms add up. F.logsigmoid, or
    # F.binary_cross_entropy_with_logits, stays finite where log(sigmoid(x)) does not.
    raise NotImplementedError("TODO reconstruction: return log p(x | z), float32 [B].")


def reparameterize(mean_BZ: Tensor, log_var_BZ: Tensor, noise_BZ: Tensor) -> Tensor:
    """A sample of N(mean, variance) that gradients flow through, [B, Z].

    `noise_BZ` is drawn from N(0, 1), and log_var is the logarithm of the variance.
    """
    # TODO reparameterize: return z, float32 [B, Z].
    # A normal number with deviation s is s times one with deviation 1. The deviation is the root of
    # the variance.
    raise NotImplementedError("TODO reparameterize: return z, float32 [B, Z].")


def kl_to_prior(mean_BZ: Tensor, log_var_BZ: Tensor) -> Tensor:
    """KL(N(mean, variance) ‖ N(0, 1)) of each picture, in nats, [B].

    Of one unit it is (mean² + variance - 1 - log variance) / 2: appendix B of Kingma and Welling.
    """
    # TODO kl: return the divergence, float32 [B].
    # Units are independent, so theirs add up.
    raise NotImplementedError("TODO kl: return the divergence, float32 [B].")


def warm_up(step: int, steps: int, beta: float) -> float:
    """The weight of the divergence at a step: from 0, evenly, to `beta` at step `steps`; then beta.

    While it is small, the decoder learns to listen to z. With steps = 0 it is beta from the start.
    """
    # TODO warm-up: return the weight, a float.
    raise NotImplementedError("TODO warm-up: return the weight, a float.")


def vae_loss(log_px_B: Tensor, kl_B: Tensor, beta: float) -> Tensor:
    """What training makes small, float32 []: minus the bound, its divergence weighted by beta.

    beta = 1 is the evidence lower bound, more asks for a simpler code, 0 for an autoencoder.
    """
    # TODO vae-loss: return the mean over the batch, float32 [].
    raise NotImplementedError("TODO vae-loss: return the mean over the batch, float32 [].")


# ------------------------------------------------------------------ a tighter bound


def log_normal(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """The logarithm of N(z; mean, variance), summed over the last dimension, [...].

    The three broadcast to [..., Z].
    """
    # TODO log-normal: return the log density, float32 [...].
    # Of one unit: -(log 2π + log variance + (z - mean)² / variance) / 2.
    raise NotImplementedError("TODO log-normal: return the log density, float32 [...].")


def importance_bound(log_px_KB: Tensor, log_pz_KB: Tensor, log_qz_KB: Tensor) -> Tensor:
    """The logarithm of the mean over K samples of p(x|z) p(z) / q(z|x), in nats, [B].

    The samples z are drawn from q(z|x). K = 1 is the evidence lower bound; more lie nearer to
    log p(x), from below (Burda, Grosse, Salakhutdinov, 2016).
    """
    # TODO importance-bound: return the bound, float32 [B].
    # exp(-300) is 0 in float32: torch.logsumexp takes out the largest term first. The mean divides
    # by K, so its logarithm subtracts log K.
    raise NotImplementedError("TODO importance-bound: return the bound, float32 [B].")


# ------------------------------------------------------------------ what the code is good for


def active_units(mean_NZ: Tensor, least: float = 0.01) -> Tensor:
    """Which latent units say something about the picture, bool [Z].

    A unit is active if the mean of q(z|x) varies over the N pictures by more than `least`; the
    variance divides by N. A collapsed unit's mean is 0 whatever the picture.
    """
    # TODO active-units: return which are active, bool [Z].
    raise NotImplementedError("TODO active-units: return which are active, bool [Z].")


def classify(code_NZ: Tensor, known_LZ: Tensor, label_L: Tensor) -> Tensor:
    """The class of each code: that of the nearest of L codes whose label is known, int64 [N]."""
    # TODO few-labels-codes: return the classes, int64 [N].
    # torch.cdist gives all distances, [N, L].
    raise NotImplementedError("TODO few-labels-codes: return the classes, int64 [N].")


class Data(LightningDataModule):
    """Pictures without their labels: nothing here needs them."""

    def __init__(
        self,
        *,
        name: str = "fashion_mnist",
        size: str = "small",
        batch_size: int = 120,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.name, self.size = name, size
        self.batch_size, self.seed = batch_size, seed

    def setup(self, stage: str | None = None) -> None:
        """Load the pictures of both splits, uint8 [N, 1, 28, 28]."""
        self.train, self.val = (
            {"image": load(self.name, split, self.size)["image"]} for split in ("train", "val")
        )

    def train_dataloader(self) -> BatchLoader:
        """Whole batches in a new order each epoch."""
        return BatchLoader(
            self.train, self.batch_size, shuffle=True, seed=self.seed, drop_last=True
        )

    def val_dataloader(self) -> BatchLoader:
        """The validation pictures in their own order."""
        return BatchLoader(self.val, self.batch_size)


def layers(*sizes: int) -> nn.Sequential:
    """Linear layers of these sizes, with a ReLU between two."""
    found: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        found += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*found[:-1])


class Model(LightningModule):
    """x → encoder → q(z|x), a normal distribution; z → decoder → logits of each pixel."""

    def __init__(
        self,
        *,
        pixels: int = 784,
        hidden: int = 256,
        latent: int = 10,
        beta: float = 1.0,
        warm_up: int = 0,
        samples: int = 1,
        lr: float = 0.003,
    ) -> None:
        super().__init__()
        self.pixels, self.latent = pixels, latent
        self.beta, self.warm, self.samples, self.lr = beta, warm_up, samples, lr
        self.encoder = layers(pixels, hidden, hidden, 2 * latent)
        self.decoder = layers(latent, hidden, hidden, pixels)

    def encode(self, x_BD: Tensor) -> dict[str, Tensor]:
        """q(z|x): `mean` and `log_var`, float32 [B, Z] each, of pictures of 0 and 1."""
        # TODO encode: return `mean` and `log_var`, in a dict.
        # self.encoder gives both side by side, [B, 2·Z]: the mean comes first.
        raise NotImplementedError("TODO encode: return `mean` and `log_var`, in a dict.")

    def decode(self, z_BZ: Tensor) -> Tensor:
        """The logits of white, float32 [B, D]: no sigmoid, so that log p(x|z) stays exact."""
        return self.decoder(z_BZ)

    def loss(self, x_BD: Tensor, noise_KBZ: Tensor, beta: float) -> Tensor:
        """What training makes small, float32 [], with K samples for each picture.

        With K = 1 it is `vae_loss`, with more it is minus the importance-weighted bound.
        """
        # TODO loss: return the loss, float32 [].
        # Encode, sample, decode: [B, Z] and [K, B, Z] broadcast, and the decoder takes any number
        # of leading dimensions; log_bernoulli takes one sample at a time. For K = 1 the exact
        # divergence goes into vae_loss. For more, log_bernoulli and log_normal of all samples go
        # into importance_bound, [K, B] each; the prior's mean and log variance are 0.
        raise NotImplementedError("TODO loss: return the loss, float32 [].")

    @torch.no_grad()
    def sample(self, n: int, seed: int) -> Tensor:
        """Pictures that nobody has drawn: chances of white, float32 [n, D], the same for a seed."""
        generator = torch.Generator(self.device).manual_seed(seed)
        # TODO sample: return n pictures, float32 [n, D].
        # Draw z from the prior, N(0, 1) in each of self.latent units, and decode. The sigmoid makes
        # chances of logits.
        raise NotImplementedError("TODO sample: return n pictures, float32 [n, D].")

    @torch.no_grad()
    def interpolate(self, from_D: Tensor, to_D: Tensor, steps: int) -> Tensor:
        """Chances of white on the way from one picture to another, float32 [steps, D].

        It is a straight way between the means of their codes, both ends included.
        """
        # TODO interpolate: return `steps` pictures, float32 [steps, D].
        # torch.lerp(start, end, weight) with weights [steps, 1] from 0 to 1.
        raise NotImplementedError("TODO interpolate: return `steps` pictures, float32 [steps, D].")

    # -------------------------------------------------------------- training

    def on_train_start(self) -> None:
        """Begin with each pixel as bright as it is on average, whatever the code."""
        if self.global_step:  # a resumed run has begun already
            return
        mean_D = self.trainer.datamodule.train["image"].flatten(1).float().mean(dim=0) / 255
        with torch.no_grad():
            self.decoder[-1].bias.copy_(mean_D.clamp(0.001, 0.999).logit())

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch, drawn anew in two colours."""
        rng = self._generator(self.global_step)
        x_BD = binarize(batch["image"], rng)
        size = (self.samples, len(x_BD), self.latent)
        noise_KBZ = torch.randn(size, generator=rng, device=self.device)
        loss = self.loss(x_BD, noise_KBZ, warm_up(self.global_step, self.warm, self.beta))
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log the bound of one sample, `val/nats`, and its two terms."""
        rng = self._generator(batch_idx)
        x_BD = binarize(batch["image"], rng)
        q = self.encode(x_BD)
        noise_BZ = torch.randn(q["mean"].shape, generator=rng, device=self.device)
        z_BZ = reparameterize(q["mean"], q["log_var"], noise_BZ)
        kl_B = kl_to_prior(q["mean"], q["log_var"])
        log_px_B = log_bernoulli(self.decode(z_BZ), x_BD)
        curves = {
            "val/nats": (kl_B - log_px_B).mean(),
            "val/kl": kl_B.mean(),
            "val/reconstruction": -log_px_B.mean(),
            "val/active": active_units(q["mean"]).float().sum(),
        }
        self.log_dict(curves, batch_size=len(x_BD), sync_dist=True)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW under a one-cycle schedule: warm up, then cool down to nearly nothing."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=1e-4)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.lr, total_steps=steps, pct_start=0.1
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _generator(self, number: int) -> torch.Generator:
        """Of the numbers drawn for a batch, on the device where they are needed."""
        return torch.Generator(self.device).manual_seed(torch.initial_seed() % 2**31 + number)
