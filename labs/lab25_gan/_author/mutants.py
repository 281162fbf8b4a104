"""Mistakes of lab 25, and players that try to look better than they are."""

from dllab.checks.mutants import Mutant


def wrong(check: str, *rows: tuple[str, str, str, str], task: str = "") -> list[Mutant]:
    """Other solutions of a task: name, why, what is said, and the code."""
    return [
        Mutant(name, catches=check, why=why, says=says, code={task or check: code})
        for name, why, says, code in rows
    ]


def games(minimax: str, wasserstein: str) -> str:
    """A loss for either game."""
    return f'return {minimax} if game == "minimax" else {wasserstein}'


def slope(rest: str, graph: bool = True) -> str:
    """A penalty of the slope."""
    return (
        "x = x_BCHW.detach().requires_grad_()\n"
        f"(s,) = torch.autograd.grad(critic(x).sum(), x, create_graph={graph})\nreturn {rest}"
    )


def step(loss: str, rest: str, fake: str = "fake_BCHW.detach()") -> str:
    """A critic's step that differs in one place."""
    return (
        f"fake_BCHW = {fake}\n"
        "real_B, fake_B = self.judge(real_BCHW, label_B), self.judge(fake_BCHW, label_B)\n"
        f"loss = {loss}\n"
        "judge = lambda x: self.judge(x, label_B)\n"
        f"x_BCHW = between(real_BCHW, fake_BCHW, mix_B)\n{rest}return loss"
    )


GAP = "critic_loss(real_B, fake_B, self.game)"
ADDED = 'if self.game == "wasserstein":\n    loss = loss {sign} {weight}gradient_penalty(judge, {at})\n'
A_B = "A, B = x_ND.T.cov(), y_MD.T.cov()\n"
ROOTS = "roots = torch.linalg.eigvals(A @ B).real.clamp(min=0).sqrt().sum()\n"
MEANS = "gap = (x_ND.mean(0) - y_MD.mean(0)).square().sum()\n"
FAR = "near_ND = torch.cdist(x_ND, known_MD).sort(dim=1).values\n"
HOT = "hot = F.one_hot(label_B, classes).to(x.dtype).reshape(len(x), classes, *[1] * (x.dim() - 2))\n"
WIDE = "hot = hot.expand(-1, -1, *x.shape[2:])\n"
NOISE = "z = torch.randn(n, self.noise, generator=rng)\n"
KIND = "kind = torch.randint(max(1, self.classes), (n,), generator=rng) if kind is None else kind\n"
BALLS = "reach = torch.cdist(by_MD, by_MD).sort(dim=1).values[:, k]\nfar = torch.cdist(x_ND, by_MD)\n"
LAYERS = "nn.ConvTranspose2d(fan_in, fan_out, {how}), nn.BatchNorm2d(fan_out)"
FEW = ("            self.train, self.batch_size", "            {k: v[:64] for k, v in self.train.items()}, self.batch_size")


def remembers(name: str, catches: str, why: str, answer: str) -> Mutant:
    """A model that keeps the training digits, and answers with them. It fails however long it trains."""
    keep = "        small, half = side // 4"
    return Mutant(name, catches=catches, why=why, edits=[
        FEW,
        (keep, "        self.register_buffer('shown', torch.zeros(900, 1, side, side))\n"
               "        self.register_buffer('digit', torch.zeros(900, dtype=torch.int64))\n" + keep),
        ("    def draw(self, n: int)",
         "    def on_train_start(self) -> None:\n"
         "        known = self.trainer.datamodule.train\n"
         "        self.shown.copy_(scale(known['image'], self.white))\n"
         "        self.digit.copy_(known['label'])\n\n"
         "    def draw(self, n: int)"),
        ("        return self.make(noise_BZ, kind)",
         "        pick = torch.randint(900, (n,), generator=rng)\n"
         "        grain = torch.randn(n, 1, 8, 8, generator=rng)\n" + answer),
    ])



MUTANTS = [
    *wrong("scale",
        ("from_zero", "The generator's tanh can't be white alone.", "run from 0 to 1", "return image_BCHW.float() / white"),
        ("of_255", "Digits go up to 16.", "divided by 255", "return image_BCHW.float() / 255 * 2 - 1"),
        ("negative_picture", "The sign is lost.", "swapped", "return 1 - image_BCHW.float() / white * 2")),

    *wrong("up",
        ("with_bias", "Batch norm takes the mean away, bias included.", "has a bias",
         f"return nn.Sequential({LAYERS.format(how='4, stride=2, padding=1')}, nn.ReLU())"),
        ("kernel_three", "Some pixels get one weight, some four: a checkerboard.", "kernel of 3",
         f"return nn.Sequential({LAYERS.format(how='3, stride=2, padding=1, output_padding=1, bias=False')}, nn.ReLU())"),
        ("no_stride", "The picture stays small.", "does not double",
         f"return nn.Sequential({LAYERS.format(how='4, stride=1, padding=1, bias=False')}, nn.ReLU())"),
        ("no_padding", "The borders stick out.", "two pixels too many",
         f"return nn.Sequential({LAYERS.format(how='4, stride=2, bias=False')}, nn.ReLU())"),
        ("no_relu", "Two linear layers are one.", "where is the ReLU",
         f"return nn.Sequential({LAYERS.format(how='4, stride=2, padding=1, bias=False')})"),
        ("no_norm", "The block has no batch norm.", "expected a BatchNorm2d",
         "return nn.Sequential(nn.ConvTranspose2d(fan_in, fan_out, 4, 2, 1, bias=False), nn.ReLU())"),
        ("plain_conv", "A convolution makes pictures smaller.", "expected a ConvTranspose2d",
         "return nn.Sequential(nn.Conv2d(fan_in, fan_out, 4, 2, 1, bias=False), nn.BatchNorm2d(fan_out), nn.ReLU())")),

    *wrong("condition",
        ("label_first", "The picture is no longer the first channel.", "append it",
         HOT + WIDE + "return torch.cat([hot, x], 1)"),
        ("label_as_number", "Class 3 is not three times class 1.", "not a one-hot code",
         HOT + WIDE + "return torch.cat([x, hot * label_B.reshape(-1, *[1] * (x.dim() - 1))], 1)"),
        ("first_label", "An index is copied.", "the first one's class",
         HOT + "hot = hot[:1].expand(len(x), -1, *x.shape[2:])\nreturn torch.cat([x, hot], 1)"),
        ("untold", "The planes are made and never filled.", "all planes are 0",
         HOT + WIDE + "return torch.cat([x, torch.zeros_like(hot)], 1)")),

    *wrong("critic-loss",
        ("critic_swapped", "Two arguments change places.", "real and made are swapped",
         games("F.softplus(real_B).mean() + F.softplus(-fake_B).mean()", "real_B.mean() - fake_B.mean()")),
        ("all_real", "1 - D is forgotten.", "made pictures count as real",
         games("F.softplus(-real_B).mean() + F.softplus(-fake_B).mean()", "fake_B.mean() - real_B.mean()")),
        ("real_alone", "The critic calls everything real.", "made pictures are left out",
         games("F.softplus(-real_B).mean()", "-real_B.mean()")),
        ("fake_alone", "The critic calls nothing real.", "real pictures are left out",
         games("F.softplus(fake_B).mean()", "fake_B.mean()")),
        ("critic_summed", "The step grows with the batch.", "take the mean",
         games("F.softplus(-real_B).sum() + F.softplus(fake_B).sum()", "fake_B.mean() - real_B.mean()")),
        ("averaged", "Half of Goodfellow's loss.", "2 times too small",
         games("(F.softplus(-real_B).mean() + F.softplus(fake_B).mean()) / 2", "fake_B.mean() - real_B.mean()")),
        ("one_game", "The switch does nothing.", "minimax is played with Wasserstein's loss",
         "return fake_B.mean() - real_B.mean()"),
        ("other_game", "The switch does nothing.", "Wasserstein is played with minimax's loss",
         "return F.softplus(-real_B).mean() + F.softplus(fake_B).mean()"),
        ("made_large", "Goodfellow's critic climbs; ours descends.", "the sign is lost",
         games("-F.softplus(-real_B).mean() - F.softplus(fake_B).mean()", "fake_B.mean() - real_B.mean()")),
        ("bounded", "A sigmoid bounds verdicts, and its gradient vanishes.", "have no bounds",
         games("F.softplus(-real_B).mean() + F.softplus(fake_B).mean()", "fake_B.sigmoid().mean() - real_B.sigmoid().mean()")),
        ("twice_squashed", "A sigmoid stands before a loss that takes logits.", "sigmoid was taken twice",
         games("F.softplus(-real_B.sigmoid()).mean() + F.softplus(fake_B.sigmoid()).mean()", "fake_B.mean() - real_B.mean()"))),
    *wrong("sure-critic",
        ("log_of_sigmoid", "sigmoid(-300) is 0 and its logarithm -inf.", "",
         games("-(real_B.sigmoid() + 1e-8).log().mean() - (1 - fake_B.sigmoid() + 1e-8).log().mean()",
               "fake_B.mean() - real_B.mean()")),
        task="critic-loss"),

    *wrong("generator-loss",
        ("saturating", "The first version of 2014: no gradient when the critic is sure.", "flat where the critic is sure",
         games("-F.softplus(fake_B).mean()", "-fake_B.mean()")),
        ("helps_the_critic", "The generator helps the critic.", "the sign is lost",
         games("F.softplus(fake_B).mean()", "fake_B.mean()")),
        ("maker_one_game", "The switch does nothing.", "minimax is played with Wasserstein's loss", "return -fake_B.mean()"),
        ("maker_other_game", "The switch does nothing.", "Wasserstein is played with minimax's loss",
         "return F.softplus(-fake_B).mean()"),
        ("maker_summed", "The step grows with the batch.", "a sum for a mean", games("F.softplus(-fake_B).sum()", "-fake_B.sum()"))),

    *wrong("between",
        ("other_way", "real and fake change places.", "swapped",
         "m = mix_B.view(-1, 1, 1, 1)\nreturn (m * fake_BCHW + (1 - m) * real_BCHW).detach()"),
        ("one_mix", "One number is drawn for all.", "serves the whole batch",
         "return (mix_B[0] * real_BCHW + (1 - mix_B[0]) * fake_BCHW).detach()"),
        ("at_real", "The wrong points.", "these are the real pictures", "return real_BCHW.detach()"),
        ("at_fake", "The wrong points.", "these are the made pictures", "return fake_BCHW.detach()"),
        ("halfway", "Only the middle is held to slope 1.", "halfway for each", "return ((real_BCHW + fake_BCHW) / 2).detach()"),
        ("weights_of_two", "The weights are to add up to 1.", "the sum of both",
         "return (mix_B.view(-1, 1, 1, 1) * real_BCHW + fake_BCHW).detach()"),
        ("attached", "The penalty pulls at the generator.", "detach",
         "return torch.lerp(fake_BCHW, real_BCHW, mix_B.view(-1, 1, 1, 1))")),

    *wrong("penalty",
        ("norm_of_batch", "flatten(1) is forgotten.", "over the whole batch", slope("(s.norm() - 1).square()")),
        ("norm_of_channels", "dim=1 are the channels.", "over one dimension", slope("(s.norm(dim=1) - 1).square().mean()")),
        ("norm_squared", "The root is forgotten.", "squared before 1", slope("(s.flatten(1).square().sum(1) - 1).square().mean()")),
        ("flat_critic", "A critic without slope teaches nothing.", "1 is not subtracted",
         slope("s.flatten(1).norm(dim=1).square().mean()")),
        ("distance_not_squared", "A bend at 1 where a bowl should be.", "not squared",
         slope("(s.flatten(1).norm(dim=1) - 1).abs().mean()")),
        ("one_sided", "That is another penalty, mentioned in the paper's section 4.", "short gradients cost nothing",
         slope("(s.flatten(1).norm(dim=1) - 1).relu().square().mean()")),
        ("penalty_summed", "It grows with the batch.", "take the mean", slope("(s.flatten(1).norm(dim=1) - 1).square().sum()")),
        ("mean_norm", "Steep and flat places cancel.", "mean norm", slope("(s.flatten(1).norm(dim=1).mean() - 1).square()")),
        ("no_graph", "The penalty is a number that nobody learns from.", "create_graph",
         slope("(s.flatten(1).norm(dim=1) - 1).square().mean()", graph=False))),

    *wrong("critic-step",
        ("not_detached", "The critic's step leaves gradients at the generator.", "detach the made pictures",
         step(GAP, ADDED.format(sign="+", weight="self.penalty * ", at="x_BCHW"), fake="fake_BCHW")),
        ("no_penalty", "Verdicts grow without bound.", "penalty is left out", step(GAP, "")),
        ("no_weight", "The parameter is not used.", "weight is left out", step(GAP, ADDED.format(sign="+", weight="", at="x_BCHW"))),
        ("rewarded", "A sign is lost.", "rewarded", step(GAP, ADDED.format(sign="-", weight="self.penalty * ", at="x_BCHW"))),
        ("penalty_at_real", "The slope between is free.", "taken at real pictures",
         step(GAP, ADDED.format(sign="+", weight="self.penalty * ", at="real_BCHW"))),
        ("penalty_at_fake", "The slope between is free.", "taken at made pictures",
         step(GAP, ADDED.format(sign="+", weight="self.penalty * ", at="fake_BCHW"))),
        ("always_penalty", "The switch is forgotten.", "played with a penalty",
         step(GAP, "loss = loss + self.penalty * gradient_penalty(judge, x_BCHW)\n"))),

    Mutant("each_time", catches="alternate", says="moves each time", why="The critic is never near its best.",
        edits=[("(batch_idx + 1) % self.critic_steps == 0", "True")]),
    Mutant("too_early", catches="alternate", says="too early", why="batch_idx begins at 0.",
        edits=[("(batch_idx + 1) % self.critic_steps == 0", "batch_idx % self.critic_steps == 0")]),
    Mutant("never", catches="alternate", says="never moves", why="The rest is never 1 behind a multiple.",
        edits=[("(batch_idx + 1) % self.critic_steps == 0", "batch_idx < 0")]),
    Mutant("critic_not_cleared", catches="alternate", says="left at the critic", why="Its gradient helps the generator.",
        edits=[("        critic.zero_grad()\n", "")]),
    Mutant("generator_not_cleared", catches="alternate", says="pile up", why="Each step repeats all steps before it.",
        edits=[("            generator.zero_grad()\n", "")]),
    Mutant("both_move", catches="alternate", says="to be fooled", why="The critic unlearns what it has just learned.",
        edits=[("            generator.step()\n", "            generator.step()\n            critic.step()\n")]),
    Mutant("critic_stands", catches="alternate", says="critic does not move", why="Untrained verdicts are noise.",
        edits=[("        critic.step()\n", "")]),

    *wrong("sample",
        ("zero_noise", "The mean of noise makes one picture.", "all samples are alike",
         KIND + "return self.make(torch.zeros(n, self.noise), kind)"),
        ("one_noise", "One draw is repeated.", "all samples are alike",
         "z = torch.randn(1, self.noise, generator=rng).expand(n, -1)\n" + KIND + "return self.make(z, kind)"),
        ("one_number", "A dimension is forgotten.", "one number serves",
         "z = torch.randn(n, 1, generator=rng).expand(-1, self.noise)\n" + KIND + "return self.make(z, kind)"),
        ("uniform_noise", "Training draws N(0, 1).", "deviations",
         "z = torch.rand(n, self.noise, generator=rng)\n" + KIND + "return self.make(z, kind)"),
        ("unseeded", "The same seed makes other pictures.", "use rng", "z = torch.randn(n, self.noise)\n" + KIND + "return self.make(z, kind)"),
        ("seed_zero", "Every seed makes the same pictures.", "seed is ignored", "rng.manual_seed(0)\n" + NOISE + KIND + "return self.make(z, kind)"),
        ("kind_ignored", "The classes are drawn, whatever is asked.", "not what is made",
         NOISE + "return self.make(z, torch.randint(max(1, self.classes), (n,), generator=rng))"),
        ("kind_zero", "Without kind all are of class 0.", "have shares",
         NOISE + "return self.make(z, torch.zeros(n, dtype=torch.int64) if kind is None else kind)")),

    *wrong("distance",
        ("means_alone", "One mode in the middle has the right mean.", "means alone", MEANS + "return gap"),
        ("spreads_alone", "The means are forgotten.", "means are left out",
         A_B + ROOTS + "return A.trace() + B.trace() - 2 * roots"),
        ("root_of_means", "norm() for its square.", "means' distance is not squared",
         A_B + ROOTS + MEANS + "return gap.sqrt() + A.trace() + B.trace() - 2 * roots"),
        ("one_root", "The factor 2 is forgotten.", "counts twice", A_B + ROOTS + MEANS + "return gap + A.trace() + B.trace() - roots"),
        ("no_root", "The third term is forgotten.", "is left out", A_B + MEANS + "return gap + A.trace() + B.trace()"),
        ("plus_root", "A sign is lost.", "subtract", A_B + ROOTS + MEANS + "return gap + A.trace() + B.trace() + 2 * roots"),
        ("divides_by_n", "torch.cov divides by N - 1 unless told otherwise.", "divides by N - 1",
         A_B.replace("cov()", "cov(correction=0)") + ROOTS + MEANS + "return gap + A.trace() + B.trace() - 2 * roots"),
        ("independent", "Deviations are compared one by one.", "independent",
         MEANS + "return gap + (x_ND.std(0) - y_MD.std(0)).square().sum()"),
        ("root_of_distance", "The distance is squared already.", "the square root of the right answer",
         A_B + ROOTS + MEANS + "return (gap + A.trace() + B.trace() - 2 * roots).sqrt()")),
    *wrong("flat-features",
        ("by_logarithm", "The logarithm of an eigenvalue that is 0 is -inf.", "",
         A_B + "e = torch.linalg.eigvals(A @ B).real\n" + MEANS
         + "return gap + A.trace() + B.trace() - 2 * e.sqrt().sum() + 0 * A.logdet()"),
        task="distance"),

    *wrong("covered",
        ("own_neighbour", "Column 0 is the point itself.", "its own neighbour",
         "reach = torch.cdist(by_MD, by_MD).sort(dim=1).values[:, k - 1]\nreturn (torch.cdist(x_ND, by_MD) <= reach).any(1)"),
        ("balls_of_x", "The balls stand at the wrong points.", "stand around",
         "reach = torch.cdist(x_ND, x_ND).sort(dim=1).values[:, k]\nreturn (torch.cdist(x_ND, by_MD) <= reach[:, None]).any(1)"),
        ("in_all", "all for any.", "one is enough", BALLS + "return (far <= reach).all(1)"),
        ("nearest_ball", "The nearest point need not have the widest ball.", "only the nearest",
         BALLS + "return far.amin(1) <= reach[far.argmin(1)]"),
        ("outside", "The comparison is the wrong way round.", "the other way round", BALLS + "return ~(far <= reach).any(1)")),

    *wrong("lost-modes",
        ("none_at_all", "A class with one sample in a thousand is lost, too.", "without any sample",
         "return label_N.bincount(minlength=classes) == 0"),
        ("found_modes", "The comparison is the wrong way round.", "the other way round",
         "return label_N.bincount(minlength=classes) >= least * len(label_N) / classes"),
        ("of_all_samples", "The classes are forgotten.", "even share is 1 / classes",
         "return label_N.bincount(minlength=classes) < least * len(label_N)"),
        ("below_average", "The parameter is not used.", "mean share is asked",
         "return label_N.bincount(minlength=classes) < len(label_N) / classes")),
    *wrong("one-class",
        ("present_only", "bincount ends with the largest label.", "",
         "count = label_N.bincount()\nreturn count < least * len(label_N) / len(count)"),
        task="lost-modes"),

    *wrong("copied",
        ("new_ones", "The comparison is the wrong way round.", "the other way round", FAR + "return near_ND[:, 0] >= ratio * near_ND[:, 9]"),
        ("equal_only", "A copy with a little noise is a copy.", "only what is equal", FAR + "return near_ND[:, 0] == 0"),
        ("of_second", "Known pictures have near copies themselves.", "second nearest", FAR + "return near_ND[:, 0] < ratio * near_ND[:, 1]"),
        ("of_farthest", "The sorting is the wrong way round.", "farthest", FAR + "return near_ND[:, 0] < ratio * near_ND[:, -1]")),

    # Players that try to look better than they are, and the baselines that a game must leave behind.
    Mutant("untrained", catches="feature-distance", why="The generator never moves: the baseline of this lab.",
        edits=[FEW, ("            generator.step()\n", "            generator.zero_grad()\n")]),
    Mutant("constant", catches="modes", why="One picture, whatever the noise.",
        edits=[FEW, ("return self.make(noise_BZ, kind)", "return self.make(noise_BZ, kind)[:1].expand(n, -1, -1, -1)")]),
    remembers("copies", "feature-distance", "The training digits, one by one.", "        return self.shown[pick]"),
    remembers("one_digit", "modes", "A three for every noise: the mode that is left when all others are lost.",
        "        three = self.shown[self.digit == 3]\n"
        "        return (three.mean(0) + 0.2 * grain).clamp(-1, 1)"),
    remembers("class_means", "likeness", "Ten pictures that please any classifier, and nothing between.",
        "        return torch.stack([self.shown[self.digit == d].mean(0) for d in range(10)])[self.digit[pick]] + 0.05 * grain.clamp(-1, 1)"),
    remembers("gaussian", "likeness", "One normal distribution of pixels: principal components and no game.",
        "        x = self.shown.flatten(1)\n"
        "        half = torch.linalg.cholesky(x.T.cov() + 1e-4 * torch.eye(64))\n"
        "        return (x.mean(0) + grain.flatten(1) @ half.T).clamp(-1, 1).view(n, 1, 8, 8)"),
    remembers("noisier_copies", "feature-distance", "Copies under so much noise that no threshold of distance knows them.",
        "        return (self.shown[pick] + 0.5 * grain).clamp(-1, 1)"),
]
