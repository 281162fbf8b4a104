"""Mistakes of lab 27, and encoders that try to look better than they are."""

from dllab.checks.mutants import Mutant


def wrong(check: str, *rows: tuple[str, str, str, str], task: str = "") -> list[Mutant]:
    """Other solutions of a task: name, why, what is said, and the code."""
    return [
        Mutant(name, catches=check, why=why, says=says, code={task or check: code})
        for name, why, says, code in rows
    ]


def changed(check: str, *rows: tuple[str, str, str, str, str]) -> list[Mutant]:
    """Changed places of the reference: name, why, what is said, before and after."""
    return [
        Mutant(name, catches=check, why=why, says=says, edits=[(before, after)])
        for name, why, says, before, after in rows
    ]


UNIT = "z = F.normalize(z_VD, dim=1)\n"
ITSELF = "eye = torch.eye(len(z_VD), dtype=torch.bool)\n"
KEPT = "        return self.encoder(pixels(image))\n"  # what the scorer asks for
CONTRAST = "        return nt_xent(z_VD, self.temperature)\n"
INIT = "        self.head = make_head(pretext, 4 * width)\n"
SHORT = ('        image = pixels(batch["image"])\n',  # it fails however long it trains
         '        image = pixels(batch["image"])\n        self.trainer.should_stop = True\n')
SEE = "    def see(self,"
BY_HEART = (SEE, """    def on_train_start(self) -> None:
        from dllab.data import load
        known = load("digits", "train")
        self.shown, self.truth = known["image"].flatten(1).float(), known["label"]

""" + SEE)

MUTANTS = [
    *wrong("two-views",
        ("one_view_twice", "Two equal views are found without looking.", "one and the same",
         "view = see(image_BCHW, rng)\nreturn torch.cat([view, view])"),
        ("picture_and_view", "One augmentation is half as much to see through.", "is the picture itself",
         "return torch.cat([image_BCHW, see(image_BCHW, rng)])"),
        ("side_by_side", "The loss looks for the partner half of all views away.", "side by side",
         "return torch.stack([see(image_BCHW, rng), see(image_BCHW, rng)], 1).flatten(0, 1)"),
        ("own_dice", "Nobody can draw the same views again.", "hand rng to `see`",
         "rng = torch.default_generator\nreturn torch.cat([see(image_BCHW, rng), see(image_BCHW, rng)])"),
        ("second_backwards", "Every view has a stranger as partner.", "in their order",
         "return torch.cat([see(image_BCHW, rng), see(image_BCHW, rng).flip(0)])")),

    *wrong("similarities",
        ("no_norm", "Long vectors are similar to everything.", "the norm is forgotten",
         ITSELF + "return (z_VD @ z_VD.T / temperature).masked_fill(eye, -torch.inf)"),
        ("itself_counts", "Nothing is as similar as oneself.", "compared with itself",
         UNIT + "return z @ z.T / temperature"),
        ("zero_diagonal", "exp(0) is 1: a view stays in its own denominator.", "zeros on the diagonal",
         UNIT + ITSELF + "return (z @ z.T / temperature).masked_fill(eye, 0.0)"),
        ("times_temperature", "A product stands for a ratio.", "divide",
         UNIT + ITSELF + "return (z @ z.T * temperature).masked_fill(eye, -torch.inf)"),
        ("no_temperature", "Cosines from -1 to 1 make a softmax that is nearly even.", "temperature is left out",
         UNIT + ITSELF + "return (z @ z.T).masked_fill(eye, -torch.inf)"),
        ("norm_of_features", "The wrong dimension is scaled.", "not each view",
         "z = F.normalize(z_VD, dim=0)\n" + ITSELF + "return (z @ z.T / temperature).masked_fill(eye, -torch.inf)"),
        ("distances", "Far is not similar.", "these are distances",
         UNIT + ITSELF + "return (torch.cdist(z, z) / temperature).masked_fill(eye, -torch.inf)")),

    *wrong("partners",
        ("next_one", "Views that stand side by side.", "half of all views away",
         "return torch.arange(views) ^ 1"),
        ("own_partner", "The class of each row is its own column.", "the views themselves",
         "return torch.arange(views)"),
        ("last_is_first", "The second views are taken to run backwards.", "backwards",
         "return torch.arange(views).flip(0)")),

    *wrong("nt-xent",
        ("own_denominator", "The largest similarity of all is with oneself: the loss has a floor far above 0.", "compared with itself",
         UNIT + "return F.cross_entropy(z @ z.T / temperature, partners(len(z)))"),
        ("own_zero", "The diagonal is made 0, and exp(0) is 1.", "zeros on the diagonal",
         UNIT + ITSELF + "return F.cross_entropy((z @ z.T / temperature).masked_fill(eye, 0.0), partners(len(z)))"),
        ("partner_not_below", "Another loss, which has no lowest value.", "belongs into the denominator",
         "s, p = similarities(z_VD, temperature), partners(len(z_VD))[:, None]\n"
         "return (s.scatter(1, p, -torch.inf).logsumexp(1) - s.gather(1, p)[:, 0]).mean()"),
        ("partner_twice", "Positive and all others are added up, and the positive is one of them.", "denominator twice",
         "s = similarities(z_VD, temperature)\npair = s.gather(1, partners(len(s))[:, None])\n"
         "return (torch.cat([s, pair], 1).logsumexp(1) - pair[:, 0]).mean()"),
        ("loss_without_norm", "The loss falls by longer vectors alone.", "the norm is forgotten",
         ITSELF + "return F.cross_entropy((z_VD @ z_VD.T / temperature).masked_fill(eye, -torch.inf), partners(len(z_VD)))"),
        ("loss_without_temperature", "The parameter is not used.", "temperature is left out",
         "return F.cross_entropy(similarities(z_VD, 1.0), partners(len(z_VD)))"),
        ("loss_times_temperature", "A product stands for a ratio.", "divide",
         "return F.cross_entropy(similarities(z_VD, 1 / temperature), partners(len(z_VD)))"),
        ("first_views_ask", "Half of the answers are not asked for.", "the second do not",
         "B = len(z_VD) // 2\nreturn F.cross_entropy(similarities(z_VD, temperature)[:B], partners(2 * B)[:B])"),
        ("among_second_views", "It is CLIP's half: views of one side are no wrong answers.", "among the second alone",
         UNIT + "B = len(z) // 2\nreturn F.cross_entropy(z[:B] @ z[B:].T / temperature, torch.arange(B))"),
        ("next_is_partner", "Other pictures are pulled together.", "not the next view",
         "return F.cross_entropy(similarities(z_VD, temperature), torch.arange(len(z_VD)) ^ 1)"),
        ("summed", "The step grows with the batch.", "take the mean",
         "return F.cross_entropy(similarities(z_VD, temperature), partners(len(z_VD)), reduction='sum')"),
        ("pull_alone", "The best answer is one feature for all pictures.", "all features become one",
         UNIT + "return -(z @ z.T / temperature).gather(1, partners(len(z))[:, None]).mean()"),
        ("pushed_away", "A sign is lost.", "pushed away",
         "return -F.cross_entropy(similarities(z_VD, temperature), partners(len(z_VD)))"),
        ("cut_off", "No gradient reaches the encoder.", "cut off from the graph",
         "return F.cross_entropy(similarities(z_VD.detach(), temperature), partners(len(z_VD)))")),
    *wrong("sharp",
        ("overflow", "exp(100) is more than float32 holds.", "",
         "e = similarities(z_VD, temperature).exp()\n"
         "return -(e.gather(1, partners(len(e))[:, None])[:, 0] / e.sum(1)).log().mean()"),
        task="nt-xent"),

    *changed("turns",
        ("clockwise", "The other way round is as hard, and not what is asked.", "clockwise",
         "torch.rot90(image_BCHW, k,", "torch.rot90(image_BCHW, -k,"),
        ("labels_in_turn", "Labels fit another order of pictures.", "four blocks",
         "quarter_4.repeat_interleave(len(image_BCHW))", "quarter_4.repeat(len(image_BCHW))"),
        ("pictures_in_turn", "Pictures fit another order of labels.", "one by one",
         "return torch.cat(turned), ", "return torch.stack(turned, 1).flatten(0, 1), "),
        ("degrees", "Cross-entropy takes classes.", "count quarter turns",
         "torch.arange(4, device", "90 * torch.arange(4, device"),
        ("not_turned", "There is nothing to tell.", "nothing is turned",
         "torch.rot90(image_BCHW, k, dims=(2, 3))", "image_BCHW")),

    *changed("hide",
        ("each_by_chance", "Each patch tosses its own coin.", "hide more than others",
         "rank_BP < round(share * P)", "drawn_BP < share"),
        ("shown_for_hidden", "The comparison is the wrong way round.", "True is what is hidden",
         "rank_BP < round(share * P)", "rank_BP >= round(share * P)"),
        ("all_the_same", "One draw serves the batch.", "all pictures hide the same",
         "torch.rand(len(image_BCHW), P, generator=rng, device=rng.device)",
         "torch.rand(1, P, generator=rng, device=rng.device).expand(len(image_BCHW), -1)"),
        ("first_patches", "The upper part is always hidden.", "",
         "rank_BP < round(share * P)", "(0 * rank_BP + torch.arange(P)) < round(share * P)"),
        ("cut_down", "int() cuts off.", "are hidden, not",
         "round(share * P)", "int(share * P)"),
        ("seeded_anew", "Every batch hides the same.", "each call hides the same",
         "generator=rng, device=rng.device)\n    rank", "generator=torch.Generator().manual_seed(0))\n    rank"),
        ("places_for_ranks", "argsort once gives places.", "",
         "drawn_BP.argsort(dim=1).argsort(dim=1)", "drawn_BP.argsort(dim=1).argsort(dim=1) // 2"),
        ("global_numbers", "The global generator depends on all that was drawn before.", "rng alone",
         "generator=rng, device=rng.device)\n    rank", "device=rng.device)\n    rank")),
    *wrong("oblong",
        ("square", "Only square pictures have as many rows as columns of patches.", "",
         "side = round(image_BCHW[0, 0].numel() ** 0.5) // patch * patch\nP = whole_patches((side, side), patch)\n"
         "rank_BP = torch.rand(len(image_BCHW), P, generator=rng).argsort(1).argsort(1)\n"
         "return patch_grid(rank_BP < round(share * P), (side, side), patch)"),
        task="hide"),

    *wrong("masked-loss",
        ("seen_counts", "What is seen is copied, and the loss looks small.", "what is seen counts as well",
         "return (guess_BCHW - image_BCHW).square().mean()"),
        ("seen_alone", "The mask is the wrong way round.", "what is hidden does not",
         "return (guess_BCHW - image_BCHW)[~hidden_B1HW.expand_as(image_BCHW)].square().mean()"),
        ("by_all_pixels", "The loss depends on how much is hidden.", "by all pixels",
         "return ((guess_BCHW - image_BCHW).square() * hidden_B1HW).mean()"),
        ("mean_of_means", "Pictures that hide less weigh more.", "own mean first",
         "s = ((guess_BCHW - image_BCHW).square() * hidden_B1HW).flatten(1).sum(1)\n"
         "return (s / hidden_B1HW.expand_as(image_BCHW).flatten(1).sum(1)).mean()"),
        ("absolute", "Another loss.", "absolute error",
         "return (guess_BCHW - image_BCHW)[hidden_B1HW.expand_as(image_BCHW)].abs().mean()"),
        ("summed_pixels", "The step grows with the batch.", "take the mean",
         "return (guess_BCHW - image_BCHW)[hidden_B1HW.expand_as(image_BCHW)].square().sum()")),
    *wrong("colour",
        ("mask_counted_once", "The mask has one channel, the picture three.", "",
         "return ((guess_BCHW - image_BCHW).square() * hidden_B1HW).sum() / hidden_B1HW.sum()"),
        task="masked-loss"),

    *changed("linear-probe",
        ("not_scaled", "The ridge holds small features down, and large ones not.", "drown the others",
         "h_LD.std(dim=0, correction=0).clamp(min=1e-6)", "torch.ones(())"),
        ("not_centred", "Without a bias, what all items share must be fitted, too.", "not centred",
         "mean_D, scale_D = h_LD.mean(dim=0),", "mean_D, scale_D = 0 * h_LD.mean(dim=0),"),
        ("by_themselves", "A single new item would have no deviation.", "by themselves",
         "(h_ND - mean_D) / scale_D", "(h_ND - h_ND.mean(0)) / h_ND.std(0, correction=0)"),
        ("no_ridge", "With fewer items than features nothing is left to solve.", "ridge is left out",
         "+ ridge * torch.eye(x_LD.shape[1], dtype=h_LD.dtype)", "+ 0 * ridge"),
        ("fixed_ridge", "The parameter is not used.", "ridge is 10",
         "+ ridge * torch.eye", "+ 10.0 * torch.eye"),
        ("n_minus_one", "torch divides by L - 1 unless told otherwise.", "correction=0",
         "h_LD.std(dim=0, correction=0)", "h_LD.std(dim=0)"),
        ("by_variance", "A unit too much.", "by the variance",
         "h_LD.std(dim=0, correction=0)", "h_LD.var(dim=0, correction=0)")),
    *changed("dead-feature",
        ("divided_by_zero", "ReLU features are often 0 on all of a hundred items.", "",
         "h_LD.std(dim=0, correction=0).clamp(min=1e-6)", "h_LD.std(dim=0, correction=0)")),

    *wrong("neighbours",
        ("own_neighbour", "A cosine of 1 cannot be beaten.", "leave it out",
         "h = F.normalize(h_ND, dim=1)\nreturn (h @ h.T).topk(k, dim=1).indices"),
        ("long_neighbours", "Long vectors are near to all.", "the norm is forgotten",
         "return (h_ND @ h_ND.T).fill_diagonal_(-torch.inf).topk(k, dim=1).indices"),
        ("euclidean", "Lengths count in distances.", "Euclidean",
         "return torch.cdist(h_ND, h_ND).fill_diagonal_(torch.inf).topk(k, dim=1, largest=False).indices"),
        ("farthest", "The smallest are the farthest.", "the farthest",
         "h = F.normalize(h_ND, dim=1)\nreturn (h @ h.T).topk(k, dim=1, largest=False).indices"),
        ("nearest_last", "argsort rises.", "comes last",
         "return similarities(h_ND, 1.0).argsort(dim=1)[:, -k:]"),
        ("nearest_skipped", "Who leaves itself out need not skip the first.", "left out",
         "return similarities(h_ND, 1.0).topk(k + 1, dim=1).indices[:, 1:]")),

    *changed("rank",
        ("mean_is_a_direction", "ReLU features are positive: their mean is the largest direction of all.", "not centred",
         "svdvals(h_ND - h_ND.mean(dim=0))", "svdvals(h_ND)"),
        ("variances", "Squares make the largest larger.", "not their squares",
         "torch.linalg.svdvals(h_ND - h_ND.mean(dim=0))", "torch.linalg.svdvals(h_ND - h_ND.mean(dim=0)).square()"),
        ("entropy", "An entropy does not count directions.", "take exp",
         ".sum().exp()", ".sum()"),
        ("items_centred", "The wrong dimension.", "each item is centred",
         "h_ND.mean(dim=0))", "h_ND.mean(dim=1, keepdim=True))"),
        ("all_that_is_not_zero", "Noise uses every direction a little.", "counts all",
         "return torch.special.entr(value_D / value_D.sum()).sum().exp()", "return (value_D > 1e-5).float().sum()")),
    *changed("flat",
        ("nan_of_nothing", "0 times log 0 is nan.", "",
         "torch.special.entr(value_D / value_D.sum()).sum()",
         "(-(value_D / value_D.sum()) * (value_D.round(decimals=4) / value_D.sum()).log()).sum()")),

    *wrong("features",
        ("head_kept", "The head throws away what the pretext task does not ask for.", "the head's answer",
         "return self.head(self.encoder(pixels(image)))"),
        ("by_255", "White is 16 here.", "divided by 255",
         "return self.encoder(image / 255)"),
        ("unit_length", "Lengths say how sure an encoder is.", "have length 1",
         "return F.normalize(self.encoder(pixels(image)), dim=1)")),

    *changed("loss",
        ("no_head", "Features are to keep what the contrast does not ask for.", "head is left out",
         "z_VD = self.head(self.encoder(two_views(image, self.see, rng)))", "z_VD = self.encoder(two_views(image, self.see, rng))"),
        ("fixed_temperature", "The switch does nothing.", "not handed on",
         "return nt_xent(z_VD, self.temperature)", "return nt_xent(z_VD, 0.2)"),
        ("temperature_one", "The switch does nothing.", "temperature is 1",
         "return nt_xent(z_VD, self.temperature)", "return nt_xent(z_VD, 1.0)"),
        ("no_views", "A picture is found by itself: nothing is learned.", "make two views",
         "two_views(image, self.see, rng)", "two_views(image, lambda x, _rng: x, rng)"),
        ("plain_turned", "The encoder never sees another light.", "turn a view",
         "turns(self.see(image, rng))", "turns(image)"),
        ("no_quarters", "All have the label 0.", "not told",
         "F.cross_entropy(self.head(self.encoder(turned)), quarter)", "F.cross_entropy(self.head(self.encoder(turned)), 0 * quarter)"),
        ("nothing_blacked_out", "An autoencoder copies.", "black it out",
         "image.masked_fill(hidden, 0.0)", "image"),
        ("all_pixels_count", "What is seen is three quarters of the loss.", "what is seen counts",
         "masked_loss(guess, image, hidden)", "masked_loss(guess, image, torch.ones_like(hidden))"),
        ("mask_inverted", "The mask is the wrong way round.", "the rest blacked out",
         "image.masked_fill(hidden, 0.0)", "image.masked_fill(~hidden, 0.0)"),
        ("label_read", "The batch of pre-training has no labels.", "pre-training reads no 'label'",
         "z_VD = self.head(self.encoder(two_views(image, self.see, rng)))",
         "batch['label']\n        z_VD = self.head(self.encoder(two_views(image, self.see, rng)))")),

    # Encoders that try to look better than they are; the scorer fits the probe, and has its own random features.
    Mutant("untrained", catches="probe", why="Weights that nobody has trained: what the probe is held against.",
        edits=[SHORT, (CONTRAST, "        return 0 * nt_xent(z_VD, self.temperature)\n")]),
    Mutant("pixels_kept", catches="probe", why="The pixels themselves: the baseline that this lab leaves behind.",
        edits=[SHORT, (KEPT, "        return pixels(image).flatten(1)\n")]),
    Mutant("constant", catches="probe", why="One feature for all pictures.",
        edits=[SHORT, (KEPT, "        return 0 * self.encoder(pixels(image)) + 1\n")]),
    Mutant("views_alike", catches="probe", why="A picture and itself are found by any detail.",
        edits=[("return look(image_BCHW, self.strength, self.flip, rng)", "return look(image_BCHW, 0.0, self.flip, rng)")]),
    Mutant("noise_padded", catches="probe", why="Untrained features with numbers beside them that know no class, and all a million times as large.",
        edits=[SHORT, (CONTRAST, "        return 0 * nt_xent(z_VD, self.temperature)\n"),
               (KEPT, "        h = self.encoder(pixels(image))\n"
                      "        return 1e6 * torch.cat([h, (1e4 * image.flatten(1).float()).sin()], 1)\n")]),
    Mutant("memorised", catches="probe", why="The classes of pictures it has seen, by heart: others are strangers.",
        edits=[SHORT, BY_HEART,
               (INIT, INIT + "        self.register_buffer('shown', torch.zeros(900, 64))\n"
                             "        self.register_buffer('truth', torch.zeros(900, dtype=torch.int64))\n"),
               (KEPT, "        same = (torch.cdist(image.flatten(1).float(), self.shown) < 0.5).float()\n"
                      "        return same @ F.one_hot(self.truth, 10).float()\n")]),
    Mutant("nothing_apart", catches="views", why="Positives alone: every picture gets the same feature.",
        edits=[(CONTRAST, "        return -similarities(z_VD, 1.0).gather(1, partners(len(z_VD))[:, None]).mean()\n")]),
    Mutant("labels_smuggled", catches="views", why="Labels read past the batch pass the probe; two views of a digit then look like any other of its class.",
        edits=[BY_HEART,
               ("        self.head = make_head(pretext, 4 * width)\n", "        self.head = torch.nn.Linear(4 * width, 10)\n"),
               ("        z_VD = self.head(self.encoder(two_views(image, self.see, rng)))\n" + CONTRAST,
                "        place = torch.cdist(batch['image'].flatten(1).float(), self.shown).argmin(1)\n"
                "        return F.cross_entropy(self.head(self.encoder(self.see(image, rng))), self.truth[place])\n")]),
]
