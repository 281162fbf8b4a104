"""Lab 25: generative adversarial networks, two players from the first verdict to new digits.

Work through the TODOs from top to bottom. `pytest labs/lab25_gan` checks them, `dllab hint 25 TASK`
helps, `dllab train 25` trains both players and grades the run, `dllab dream 25` shows samples.

Shapes stand in the names: B pictures of C channels, H by W pixels, drawn from noise of Z numbers;
N and M points of D numbers. Pixels run from -1, black, to 1, white.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Generator, Tensor, nn

from dllab.data import BatchLoader
from dllab.data.module import SplitData

WASSERSTEIN, MINIMAX = "wasserstein", "minimax"

# ------------------------------------------------------------------ the generator's parts


def scale(image_BCHW: Tensor, white: float) -> Tensor:
    """Pixels of uint8 pictures as float32 from -1 to 1, the range of tanh; `white` becomes 1."""
    # TODO scale: return the pictures, float32 [B, C, H, W].
    raise NotImplementedError("TODO scale: return the pictures, float32 [B, C, H, W].")


def up(fan_in: int, fan_out: int) -> nn.Sequential:
    """A block that doubles height and width: transposed convolution, batch norm, ReLU."""
    # TODO up: return nn.Sequential of the three layers.
    # Kernel 4, stride 2 and padding 1 double each side. Batch norm has a bias of its own, so the
    # convolution needs none.
    raise NotImplementedError("TODO up: return nn.Sequential of the three layers.")


def add_label(x: Tensor, label_B: Tensor, classes: int) -> Tensor:
    """Append each item's one-hot label as further channels: [B, C, ...] → [B, C + classes, ...].

    Noise [B, Z] gets more numbers, pictures [B, C, H, W] get planes that are all 0 or all 1.
    """
    # TODO condition: return both, float32 [B, C + classes, ...].
    raise NotImplementedError("TODO condition: return both, float32 [B, C + classes, ...].")


# ------------------------------------------------------------------ two games


def critic_loss(real_B: Tensor, fake_B: Tensor, game: str) -> Tensor:
    """What the critic makes small, float32 [], of its verdicts on real and on made pictures.

    "minimax": verdicts are logits of "real", and the loss is -mean log D(real) minus
    mean log(1 - D(fake)), with D = sigmoid(verdict) (Goodfellow and others, 2014). "wasserstein":
    the mean verdict on made pictures less that on real ones (Arjovsky and others, 2017).
    """
    # TODO critic-loss: return the loss of the game, float32 [].
    # log(1 - sigmoid(v)) is logsigmoid(-v). F.logsigmoid stays finite where log(sigmoid) does not.
    raise NotImplementedError("TODO critic-loss: return the loss of the game, float32 [].")


def generator_loss(fake_B: Tensor, game: str) -> Tensor:
    """What the generator makes small, float32 [], of the verdicts on its pictures.

    "minimax": -mean log D(fake), which has a gradient when the critic is sure, where
    mean log(1 - D(fake)) has none. "wasserstein": minus the mean verdict.
    """
    # TODO generator-loss: return the loss of the game, float32 [].
    raise NotImplementedError("TODO generator-loss: return the loss of the game, float32 [].")


def between(real_BCHW: Tensor, fake_BCHW: Tensor, mix_B: Tensor) -> Tensor:
    """For each pair the point at mix · real + (1 - mix) · fake, cut off from the graph."""
    # TODO between: return the points, float32 [B, C, H, W].
    # One number of `mix_B`, from 0 to 1, for all pixels of a picture.
    raise NotImplementedError("TODO between: return the points, float32 [B, C, H, W].")


def gradient_penalty(critic: Callable[[Tensor], Tensor], x_BCHW: Tensor) -> Tensor:
    """Mean of (‖gradient of the verdict at x‖ - 1)², float32 [] (Gulrajani and others, 2017).

    The norm is over all pixels of a picture. The critic learns from it, so it has a gradient.
    """
    # TODO penalty: return the penalty, float32 [].
    # Let x require a gradient. torch.autograd.grad of the verdicts' sum is, picture by picture,
    # the gradient of each; create_graph=True lets the penalty be differentiated in turn.
    raise NotImplementedError("TODO penalty: return the penalty, float32 [].")


# ------------------------------------------------------------------ are they any good?


def feature_distance(x_ND: Tensor, y_MD: Tensor) -> Tensor:
    """Fréchet distance of two normal distributions fitted to the features x and y, float64 [].

    It is ‖mean difference‖² + trace(A + B - 2·(A·B)^½) with the covariances A and B, which divide
    by N - 1: the FID of Heusel and others, 2017.
    """
    x_ND, y_MD = x_ND.double(), y_MD.double()
    # TODO distance: return the distance, float64 [].
    # torch.cov takes variables as rows. The trace of a root is the sum of the eigenvalues' roots:
    # torch.linalg.eigvals(A @ B).real, of which rounding may make some a little negative.
    raise NotImplementedError("TODO distance: return the distance, float64 [].")


def covered(x_ND: Tensor, by_MD: Tensor, k: int = 3) -> Tensor:
    """Which x lie in a ball around one of M points, bool [N]; a ball reaches to the k-th neighbour.

    Of samples by real pictures it is precision, of real pictures by samples recall (Kynkäänniemi
    and others, 2019).
    """
    # TODO covered: return which are covered, bool [N].
    # A point is its own nearest, at distance 0, which does not count as a neighbour.
    raise NotImplementedError("TODO covered: return which are covered, bool [N].")


def lost_modes(label_N: Tensor, classes: int, least: float = 1 / 3) -> Tensor:
    """Which classes have fewer samples than `least` of an even share, bool [classes]."""
    # TODO lost-modes: return which are lost, bool [classes].
    # torch.bincount leaves out classes behind the largest label, unless you ask for more.
    raise NotImplementedError("TODO lost-modes: return which are lost, bool [classes].")


def copied(x_ND: Tensor, known_MD: Tensor, ratio: float = 0.65) -> Tensor:
    """Which x are copies, bool [N]: nearer to one known picture than `ratio` times to its tenth."""
    # TODO copied: return which are copies, bool [N].
    raise NotImplementedError("TODO copied: return which are copies, bool [N].")


class Data(SplitData):
    """Digits and their labels, which only a conditional game uses."""

    def train_dataloader(self) -> BatchLoader:
        """Whole batches in a new order each epoch."""
        return BatchLoader(
            self.train, self.batch_size, shuffle=True, seed=self.seed, drop_last=True
        )


class Model(LightningModule):
    """Both players: noise → generator → picture, and picture → critic → verdict.

    With `classes` both are told the class. The critic has no batch norm: the penalty is about the
    gradient of one picture's verdict, which must not depend on the others.
    """

    def __init__(
        self,
        *,
        noise: int = 32,
        width: int = 32,
        side: int = 8,
        white: float = 16,
        classes: int = 0,
        game: str = MINIMAX,
        penalty: float = 10.0,
        critic_steps: int = 1,
        lr: float = 0.002,
        beta1: float = 0.0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # training_step moves two players
        self.noise, self.white, self.classes, self.game = noise, white, classes, game
        self.penalty, self.critic_steps = penalty, critic_steps
        self.lr, self.beta1 = lr, beta1
        small, half = side // 4, side // 2
        self.generator = nn.Sequential(
            nn.Linear(noise + classes, 2 * width * small**2, bias=False),
            nn.Unflatten(1, (2 * width, small, small)),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            up(2 * width, width),
            nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        self.critic = nn.Sequential(
            nn.Conv2d(1 + classes, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(width * half**2, 4 * width),
            nn.LeakyReLU(0.2),
            nn.Linear(4 * width, 1),
            nn.Flatten(0),
        )

    def make(self, noise_BZ: Tensor, label_B: Tensor) -> Tensor:
        """The generator's pictures, float32 [B, 1, H, W]; labels count in a conditional game."""
        told = add_label(noise_BZ, label_B, self.classes) if self.classes else noise_BZ
        return self.generator(told)

    def judge(self, x_BCHW: Tensor, label_B: Tensor) -> Tensor:
        """The critic's verdicts, float32 [B]: high for what it takes for real."""
        told = add_label(x_BCHW, label_B, self.classes) if self.classes else x_BCHW
        return self.critic(told)

    def critic_step_loss(
        self, real_BCHW: Tensor, fake_BCHW: Tensor, label_B: Tensor, mix_B: Tensor
    ) -> Tensor:
        """What the critic's step makes small, float32 []; no gradient reaches the generator.

        In the game "wasserstein" self.penalty times the gradient penalty is added, at the points
        between.
        """
        # TODO critic-step: return the loss, float32 [].
        # self.judge takes pictures and labels; gradient_penalty wants a function of pictures alone.
        raise NotImplementedError("TODO critic-step: return the loss, float32 [].")

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """A step of the critic; each time that makes `critic_steps` of them, one of the generator.

        Batch 0 is the first of an epoch: with two critic steps, the generator moves at 1, 3, 5, …
        """
        real_BCHW, label_B = scale(batch["image"], self.white), batch.get("label")
        # TODO alternate: move the critic, and in time the generator.
        # self.optimizers() are the critic's and the generator's, self.draw(B) gives noise and mix.
        # For each player: loss, zero_grad(), self.manual_backward(loss), step(). The generator's
        # loss is of verdicts on pictures made anew; its backward leaves gradients at the critic.
        raise NotImplementedError("TODO alternate: move the critic, and in time the generator.")
        self.log("train/loss", loss.detach())
        for schedule in self.lr_schedulers():
            schedule.step()

    @torch.no_grad()
    def sample(self, n: int, seed: int, kind: Tensor | None = None) -> Tensor:
        """Pictures that nobody has drawn, float32 [n, 1, H, W] from -1 to 1, the same for a seed.

        `kind`, int64 [n], are the classes; without it they are drawn after the noise.
        """
        rng = Generator(self.device).manual_seed(seed)
        # TODO sample: return n pictures, float32 [n, 1, H, W].
        # Draw N(0, 1), self.noise numbers for each picture, then classes if there are none:
        # torch.randint below max(1, self.classes). self.make wants both.
        raise NotImplementedError("TODO sample: return n pictures, float32 [n, 1, H, W].")

    @torch.no_grad()
    def interpolate(self, seed: int, steps: int) -> Tensor:
        """Pictures on the way between two draws of noise, float32 [steps, 1, H, W].

        cos · a + sin · b is N(0, 1) on the whole way, where a straight way would lead through
        noise that is too short.
        """
        rng = Generator(self.device).manual_seed(seed)
        a_Z, b_Z = torch.randn(2, self.noise, generator=rng, device=self.device)
        turn_S1 = torch.linspace(0, math.pi / 2, steps, device=self.device)[:, None]
        kind_S = torch.zeros(steps, dtype=torch.int64, device=self.device)
        return self.make(turn_S1.cos() * a_Z + turn_S1.sin() * b_Z, kind_S)

    # -------------------------------------------------------------- training

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """Noise [n, Z] and where between real and made pictures the penalty is taken, [n].

        They are drawn by the run's seed, the rank and the step.
        """
        rank, step = self.global_rank, self.trainer.global_step
        seed = (torch.initial_seed() * 1_000_003 + rank) * 1_000_003 + step
        rng = Generator(self.device).manual_seed(seed % 2**63)
        noise_BZ = torch.randn(n, self.noise, generator=rng, device=self.device)
        return noise_BZ, torch.rand(n, generator=rng, device=self.device)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log `val/distance`, `val/precision`, `val/recall` of samples among real pictures."""
        real_ND = scale(batch["image"], self.white).flatten(1)
        made_ND = self.sample(len(real_ND), batch_idx, batch.get("label")).flatten(1)
        curves = {
            "val/distance": feature_distance(made_ND, real_ND).float(),
            "val/precision": covered(made_ND, real_ND).float().mean(),
            "val/recall": covered(real_ND, made_ND).float().mean(),
        }
        self.log_dict(curves, batch_size=len(real_ND), sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Adam for either player; the rate falls to 0 in a line."""
        found, steps = [], int(self.trainer.estimated_stepping_batches)
        for player in (self.critic, self.generator):
            optimizer = torch.optim.Adam(player.parameters(), self.lr, betas=(self.beta1, 0.9))
            fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
            found.append({"optimizer": optimizer, "lr_scheduler": fall})
        return found
