"""Mistakes of lab 12: each with the check that names it, and the words that a learner is told."""

from dllab.checks.mutants import Mutant


def wrong(name: str, catches: str, why: str, says: str, *edits: tuple[str, str]) -> Mutant:
    """A mistake that changes lines of the reference."""
    return Mutant(name, catches=catches, why=why, says=says, edits=list(edits))


GLOBAL = "rng is ignored"
FLIP = "torch.where(coin_B[:, None, None, None], image_BCHW.flip(3), image_BCHW)"
PADDED = "padded = F.pad(image_BCHW, [pad] * 4, value=fill)"
WINDOW = "windows[torch.arange(len(image_BCHW), device=top_B.device), :, top_B, left_B]"
PLACES = "crop(image_BCHW, whole(size, most, rng), whole(size, most, rng), pad, fill)"
CORNER = "top_B1, left_B1 = (row_B - height_B // 2)[:, None], (column_B - width_B // 2)[:, None]"
CENTRES = "row_B, column_B = whole(B, H - 1, rng), whole(B, W - 1, rng)"
OP = "op_B = whole(size, len(ops) - 1, rng)"
AMOUNT = "amount_B = uniform(size, -strength, strength, rng)"
LABELS = "return image, share_B1 * target_BC + (1 - share_B1) * target_BC[partner_B]"
KEPT = "kept_B1 = 1 - box_B1HW.flatten(1).to(target_BC.dtype).mean(1, keepdim=True)"
CUT_LABELS = "target = kept_B1 * target_BC + (1 - kept_B1) * target_BC[partner_B]"
PASTED = "torch.where(box_B1HW, image_BCHW[partner_B], image_BCHW)"
LOSS = "-(target_BC * F.log_softmax(logits_BC, dim=1)).sum(1).mean()"
POWER = "power_B = squares_B / (lengths_B * series_BTD.shape[2])"
SIGMA = "sigma_B = (power_B / 10 ** (snr_B / 10)).sqrt()"
DRAWN = "drawn = torch.randn(series_BTD.shape, generator=rng, device=rng.device)"
NOISY = "torch.where(real_BT1, series_BTD + sigma_B[:, None, None] * drawn, series_BTD)"
PLACE = "place_BT = last_B1 * time_BT.clamp(max=1) ** bend_B.exp()[:, None]"
WARPED = "torch.where(real_steps(lengths_B, T)[:, :, None], warped, series_BTD)"
NUMBERS = "drawn_BT = torch.rand(token_BT.shape, generator=rng, device=rng.device)"
STAYS = "((drawn_BT >= p) | (drawn_BT == drawn_BT.amax(1, keepdim=True)))"
ORDER = "order_BT = (~kept_BT).to(torch.uint8).argsort(dim=1, stable=True)"
CLOSED = "closed_BT.masked_fill(~real_steps(length_B, T), pad), length_B"
TRAINING = "        if not self.training:\n            return batch\n"

MUTANTS = [
    wrong("upside_down", "flip", "Dimension 2 is that of the rows.", "top and bottom",
        (FLIP, FLIP.replace("flip(3)", "flip(2)"))),
    wrong("flipped_unless", "flip", "where's last two arguments are swapped.", "False are flipped",
        (FLIP, "torch.where(coin_B[:, None, None, None], image_BCHW, image_BCHW.flip(3))")),
    wrong("flipped_batch", "flip", "Dimension 0 is the batch.", "pictures of the batch are swapped",
        (FLIP, FLIP.replace("flip(3)", "flip(0)"))),
    wrong("all_flipped", "flip", "The coins are asked together.", "each has a coin",
        (FLIP, "image_BCHW.flip(3) if coin_B.any() else image_BCHW")),
    wrong("flipped_in_place", "flip", "The caller's pictures are flipped as well.", "inputs stay",
        ("return " + FLIP, "image_BCHW[coin_B] = image_BCHW[coin_B].flip(3)\n    return image_BCHW")),

    wrong("black_border", "crop", "F.pad's value is 0 unless it is told.", "the padding is `fill`",
        (PADDED, "padded = F.pad(image_BCHW, [pad] * 4)")),
    wrong("edge_repeated", "crop", "Another mode of padding.", "the edge is repeated",
        (PADDED, "padded = F.pad(image_BCHW.float(), [pad] * 4, mode='replicate').to(image_BCHW.dtype)")),
    wrong("first_window", "crop", "One slice cuts the whole batch at one place.", "first one's place",
        (WINDOW, "windows[:, :, top_B[0], left_B[0]]")),
    wrong("corner_swapped", "crop", "Rows and columns change places.", "top and left are swapped",
        (WINDOW, WINDOW.replace("top_B, left_B]", "left_B, top_B]"))),
    wrong("top_twice", "crop", "One index serves twice.", "top serves as left",
        (WINDOW, WINDOW.replace("top_B, left_B]", "top_B, top_B]"))),
    wrong("left_twice", "crop", "One index serves twice.", "left serves as top",
        (WINDOW, WINDOW.replace("top_B, left_B]", "left_B, left_B]"))),
    wrong("moved_back", "crop", "A window that moves right moves the picture left.", "moves the other way",
        (WINDOW, WINDOW.replace("top_B, left_B]", "2 * pad - top_B, 2 * pad - left_B]"))),
    wrong("float_crop", "crop", "The dtype is changed.", "uint8",
        (PADDED, "padded = F.pad(image_BCHW.float(), [pad] * 4, value=fill)")),
    wrong("all_to_all", "crop", "Slices beside indices combine everything with everything.", "",
        (WINDOW, "windows[:, :, top_B, left_B].transpose(1, 2)[:, 0]")),

    wrong("one_place", "random-crop", "One draw serves the batch.", "one place for all",
        (PLACES, "crop(image_BCHW, whole(1, most, rng).expand(size), whole(1, most, rng).expand(size), pad, fill)")),
    wrong("on_the_diagonal", "random-crop", "One draw serves rows and columns.", "draw two",
        (PLACES, "crop(image_BCHW, *[whole(size, most, rng)] * 2, pad, fill)")),
    wrong("end_left_out", "random-crop", "randint leaves out its end; `whole` does not.", "the last place",
        ("size, most = len(image_BCHW), 2 * pad", "size, most = len(image_BCHW), 2 * pad - 1")),
    wrong("fill_lost", "random-crop", "fill is not handed on.", "hand `fill` on",
        (PLACES, PLACES.replace("pad, fill)", "pad, 0.0)"))),
    wrong("global_places", "random-crop", "torch.randint draws from the global generator.", GLOBAL,
        (PLACES, "crop(image_BCHW, *torch.randint(most + 1, (2, size)), pad, fill)")),

    wrong("one_more_row", "boxes", "≤ where < should stand.", "too many",
        ("(below_BH < height_B[:, None])", "(below_BH <= height_B[:, None])"),
        ("(behind_BW < width_B[:, None])", "(behind_BW <= width_B[:, None])")),
    wrong("from_the_middle", "boxes", "The middle is taken for the corner.", "begins at its middle, not around it",
        (CORNER, "top_B1, left_B1 = row_B[:, None], column_B[:, None]")),
    wrong("first_box", "boxes", "A box for all.", "first one's box",
        (CORNER, "row_B, column_B, height_B, width_B = (\n"
                 "        v[:1].expand_as(v) for v in (row_B, column_B, height_B, width_B))\n    " + CORNER)),
    wrong("pushed_inside", "boxes", "A box at the border is as large as the others.", "cut them off",
        (CORNER, CORNER + "\n    top_B1 = top_B1.minimum(size[0] - height_B[:, None]).clamp(min=0)"
                 "\n    left_B1 = left_B1.minimum(size[1] - width_B[:, None]).clamp(min=0)")),
    wrong("one_more_row_alone", "boxes", "≤ where < should stand, in one of two lines.", "rows: one too many",
        ("(below_BH < height_B[:, None])", "(below_BH <= height_B[:, None])")),
    wrong("one_more_column_alone", "boxes", "≤ where < should stand, in one of two lines.", "columns: one too many",
        ("(behind_BW < width_B[:, None])", "(behind_BW <= width_B[:, None])")),
    wrong("start_clamped", "boxes", "A start below 0 is moved, and the end with it.", "may begin before 0",
        (CORNER, CORNER + "\n    top_B1, left_B1 = top_B1.clamp(min=0), left_B1.clamp(min=0)")),
    wrong("half_behind", "boxes", "An odd length loses one.", "not at middle + length // 2",
        ("(below_BH < height_B[:, None])", "(below_BH < 2 * (height_B[:, None] // 2))"),
        ("(behind_BW < width_B[:, None])", "(behind_BW < 2 * (width_B[:, None] // 2))")),
    wrong("half_rounded", "boxes", "round() goes to the even neighbour.", "length / 2 is rounded",
        (CORNER, "top_B1, left_B1 = ((a - b / 2).round()[:, None] for a, b in "
                 "((row_B, height_B), (column_B, width_B)))")),
    wrong("rows_or_columns", "boxes", "A cross, not a box.", "`and`",
        ("row_BH[:, :, None] & column_BW", "row_BH[:, :, None] | column_BW")),
    wrong("outside", "boxes", "The mask says what stays.", "False inside",
        ("(row_BH[:, :, None] & column_BW[:, None, :])[:, None]",
         "~(row_BH[:, :, None] & column_BW[:, None, :])[:, None]")),

    wrong("one_square", "cutout", "One draw serves the batch.", "one square for all",
        (CENTRES, "row_B, column_B = whole(1, H - 1, rng).expand(B), whole(1, W - 1, rng).expand(B)")),
    wrong("covered_with_black", "cutout", "fill is forgotten.", "the value is `fill`",
        ("side_B, side_B, (H, W)), fill)", "side_B, side_B, (H, W)), 0.0)")),
    wrong("never_at_the_border", "cutout", "Middles stay away from the border.", "only",
        (CENTRES, "row_B, column_B = 1 + whole(B, H - 3, rng), 1 + whole(B, W - 3, rng)")),
    wrong("covered_in_place", "cutout", "masked_fill_ changes its tensor.", "inputs stay",
        ("image_BCHW.masked_fill(", "image_BCHW.masked_fill_(")),
    wrong("global_squares", "cutout", "rng is not used.", GLOBAL,
        (CENTRES, "row_B, column_B = torch.randint(H, (B,)), torch.randint(W, (B,))")),

    wrong("one_op", "rand-augment", "One op serves the batch.", "one draw of an op for all",
        (OP, "op_B = whole(1, len(ops) - 1, rng).expand(size)")),
    wrong("one_amount", "rand-augment", "One amount serves the batch.", "one amount for all",
        (AMOUNT, "amount_B = uniform(1, -strength, strength, rng).expand(size)")),
    wrong("amount_drawn_once", "rand-augment", "Each round draws an amount of its own.", "same amount",
        ("    for _ in range(rounds):", "    " + AMOUNT + "\n    for _ in range(rounds):"),
        ("        " + AMOUNT + "\n", "")),
    wrong("one_way", "rand-augment", "Amounts are drawn from 0 on.", "never negative",
        (AMOUNT, "amount_B = uniform(size, 0.0, strength, rng)")),
    wrong("from_the_start", "rand-augment", "Each round begins anew.", "there was one round",
        ("    size = len(image_BCHW)\n    for _ in range(rounds):", "    size, original = len(image_BCHW), image_BCHW\n    for _ in range(rounds):"),
        ("[op(image_BCHW, amount_B) for op in ops]", "[op(original, amount_B) for op in ops]")),
    wrong("last_op_never", "rand-augment", "The end of a range is left out twice.", "hardly ever",
        (OP, "op_B = whole(size, len(ops) - 2, rng)")),
    wrong("strength_ignored", "rand-augment", "Amounts from -1 to 1.", "beyond strength",
        (AMOUNT, "amount_B = uniform(size, -1.0, 1.0, rng)")),
    wrong("global_ops", "rand-augment", "Half of it is drawn by rng.", "global generator",
        (OP, "op_B = torch.randint(len(ops), (size,))")),

    wrong("labels_not_mixed", "mixup", "A picture of two, a label of one.", "the labels are not mixed",
        (LABELS, "return image, target_BC")),
    wrong("other_partner", "mixup", "The labels draw a partner of their own.", "another partner",
        (LABELS, LABELS.replace("target_BC[partner_B]", "target_BC[partner_B.argsort()]"))),
    wrong("labels_swapped", "mixup", "share and 1 - share change places.", "the label's shares are swapped",
        (LABELS, "return image, (1 - share_B1) * target_BC + share_B1 * target_BC[partner_B]")),
    wrong("one_share", "mixup", "One share for the batch.", "one share for all items",
        ("share_B1, share_B111 = share_B[:, None], share_B[:, None, None, None]",
         "share_B1 = share_B111 = share_B[0]")),
    wrong("label_at_least_half", "mixup", "A share may be below a half.", "raised to a half",
        (LABELS, "share_B1 = share_B1.clamp(min=0.5)\n    " + LABELS)),
    wrong("rolled", "mixup", "The neighbour is the partner.", "the next in the batch",
        ("(1 - share_B111) * image_BCHW[partner_B]", "(1 - share_B111) * image_BCHW.roll(1, 0)"),
        (LABELS, LABELS.replace("target_BC[partner_B]", "target_BC.roll(1, 0)"))),

    wrong("not_recounted", "cutmix", "The target goes by the share that was asked for.", "count the pixels",
        (KEPT, "kept_B1 = share_B[:, None]")),
    wrong("no_root", "cutmix", "Half of each side is a quarter of the area.", "by √(1 - share)",
        ("root_B = (1 - share_B).sqrt()", "root_B = 1 - share_B")),
    wrong("cut_labels_kept", "cutmix", "The labels are forgotten.", "the labels are not mixed",
        (CUT_LABELS, "target = target_BC")),
    wrong("inside_out", "cutmix", "where's last two arguments are swapped.", "surrounds the box",
        (PASTED, "torch.where(box_B1HW, image_BCHW, image_BCHW[partner_B])"),
        (KEPT, KEPT.replace("1 - box", "box"))),
    wrong("pasted_around", "cutmix", "where's last two arguments are swapped, the labels are not.", "surrounds the box",
        (PASTED, "torch.where(box_B1HW, image_BCHW, image_BCHW[partner_B])")),
    wrong("sides_cut_down", "cutmix", "long() goes down.", "rounded, not cut down",
        ("(H * root_B).round().long(), (W * root_B).round().long()", "(H * root_B).long(), (W * root_B).long()")),
    wrong("nominal_area", "cutmix", "The box may be cut off.", "not height · width",
        (KEPT, "kept_B1 = 1 - (height_B * width_B)[:, None] / (H * W)")),
    wrong("cut_in_place", "cutmix", "The caller's pictures are cut as well.", "inputs stay",
        ("return " + PASTED + ", target", "box = box_B1HW.expand_as(image_BCHW)\n"
         "    image_BCHW[box] = image_BCHW[partner_B][box]\n    return image_BCHW, target")),
    wrong("cut_labels_swapped", "cutmix", "The mask is the partner's share.", "the label's shares are swapped",
        (KEPT, KEPT.replace("1 - box", "box"))),
    wrong("cut_other_partner", "cutmix", "The label is another's.", "another partner",
        (CUT_LABELS, CUT_LABELS.replace("target_BC[partner_B]", "target_BC[partner_B.argsort()]"))),

    wrong("hard_target", "soft-loss", "The larger share takes it all.", "made hard",
        (LOSS, "F.cross_entropy(logits_BC, target_BC.argmax(1))")),
    wrong("softmax_twice", "soft-loss", "cross_entropy wants logits.", "softmax is taken twice",
        (LOSS, "F.cross_entropy(logits_BC.softmax(1), target_BC)")),
    wrong("mean_of_all", "soft-loss", "mean() divides by the classes, too.", "sum over them",
        (LOSS, "-(target_BC * F.log_softmax(logits_BC, dim=1)).mean()")),
    wrong("over_the_batch", "soft-loss", "dim=0 is the batch.", "run over the batch",
        (LOSS, LOSS.replace("dim=1", "dim=0"))),

    wrong("padding_in_the_power", "noise", "The mean runs over all steps.", "padding counts",
        (POWER, "power_B = squares_B / (series_BTD.shape[1] * series_BTD.shape[2])")),
    wrong("padding_squared", "noise", "Padding is not 0.", "padding counts",
        ("(series_BTD.square() * real_BT1).sum", "series_BTD.square().sum")),
    wrong("power_of_features", "noise", "A series has one power.", "each feature has",
        ("(series_BTD.square() * real_BT1).sum(dim=(1, 2))", "(series_BTD.square() * real_BT1).sum(dim=1)"),
        (POWER, "power_B = squares_B / lengths_B[:, None]"),
        (SIGMA, SIGMA.replace("snr_B", "snr_B[:, None]")),
        ("sigma_B[:, None, None] * drawn", "sigma_B[:, None] * drawn")),
    wrong("variance", "noise", "A series need not have mean 0.", "not the variance",
        (POWER, POWER + "\n    mean_B = (series_BTD * real_BT1).sum(dim=(1, 2)) / (lengths_B * series_BTD.shape[2])"
                "\n    power_B = power_B - mean_B.square()")),
    wrong("padding_cleared", "noise", "Padding need not be 0.", "set to 0",
        (NOISY, "(series_BTD + sigma_B[:, None, None] * drawn) * real_BT1")),
    wrong("noise_in_place", "noise", "+= changes its tensor.", "inputs stay",
        ("return " + NOISY, "series_BTD += sigma_B[:, None, None] * drawn * real_BT1\n    return series_BTD")),
    wrong("decibels_of_amplitude", "noise", "20 belongs to amplitudes.", "not 20",
        (SIGMA, "sigma_B = (power_B / 10 ** (snr_B / 5)).sqrt()")),
    wrong("decibels_halved", "noise", "20 belongs to amplitudes.", "too loud",
        (SIGMA, "sigma_B = (power_B / 10 ** (snr_B / 20)).sqrt()")),
    wrong("no_sigma_root", "noise", "The variance is taken for the deviation.", "dB off",
        (SIGMA, "sigma_B = power_B / 10 ** (snr_B / 10)")),
    wrong("louder", "noise", "The sign of the decibels.", "must shrink",
        (SIGMA, "sigma_B = (power_B * 10 ** (snr_B / 10)).sqrt()")),
    wrong("noisy_padding", "noise", "Padding becomes data.", "added to the padding",
        (NOISY, "series_BTD + sigma_B[:, None, None] * drawn")),
    wrong("one_noise", "noise", "One draw serves the batch.", "for all series",
        (DRAWN, "drawn = torch.randn(series_BTD.shape[1:], generator=rng, device=rng.device)")),
    wrong("one_feature", "noise", "One draw serves all features.", "for all features",
        (DRAWN, "drawn = torch.randn(*series_BTD.shape[:2], 1, generator=rng, device=rng.device)")),
    wrong("global_noise", "noise", "randn_like takes no generator.", GLOBAL,
        (DRAWN, "drawn = torch.randn_like(series_BTD)")),

    wrong("nearest_step", "time-warp", "Steps are repeated and left out.", "straight line between",
        ("low + (place_BT - low_BT)[:, :, None] * (high - low)", "low + (place_BT - low_BT).round()[:, :, None] * (high - low)")),
    wrong("weights_swapped", "time-warp", "The farther step weighs more.", "weights are swapped",
        ("low + (place_BT - low_BT)[:, :, None] * (high - low)", "high + (place_BT - low_BT)[:, :, None] * (low - high)")),
    wrong("warped_in_place", "time-warp", "The caller's series are warped as well.", "inputs stay",
        ("return " + WARPED, "real_BT = real_steps(lengths_B, T)\n"
         "    series_BTD[real_BT] = warped[real_BT]\n    return series_BTD")),
    wrong("bent_back", "time-warp", "The sign of the bend.", "the other way",
        (PLACE, PLACE.replace("bend_B.exp()", "(-bend_B).exp()"))),
    wrong("one_bend", "time-warp", "All series bend alike.", "like the first",
        (PLACE, PLACE.replace("bend_B.exp()[:, None]", "bend_B[0].exp()"))),
    wrong("into_the_padding", "time-warp", "T stands where L should.", "not T - 1",
        ("last_B1 = (lengths_B - 1)[:, None]", "last_B1 = torch.full_like(lengths_B, T - 1)[:, None]")),
    wrong("padding_overwritten", "time-warp", "Padding becomes data.", "padding is overwritten",
        (WARPED, "warped")),

    wrong("emptied", "drop-words", "With bad luck all words go.", "at least one word",
        (STAYS, "(drawn_BT >= p)")),
    wrong("padding_stays_largest", "drop-words", "Padding has a number, too, and it may be the largest.", "at least one word",
        ("drawn_BT = drawn_BT.masked_fill(~real_BT, -1.0)", "drawn_BT = drawn_BT.clone()")),
    wrong("first_word_kept", "drop-words", "It is the largest that stays.", "first word always stays",
        (STAYS, "((drawn_BT >= p) | (torch.arange(T) == 0))")),
    wrong("pad_is_no_word", "drop-words", "A word may equal pad.", "lengths tell the padding",
        ("    real_BT = real_steps(lengths_B, T)\n    drawn_BT", "    real_BT = token_BT != pad\n    drawn_BT")),
    wrong("kept_words_with_p", "drop-words", "p is the probability to go.", "not to stay",
        (STAYS, STAYS.replace("(drawn_BT >= p)", "(drawn_BT < p)"))),
    wrong("gaps", "drop-words", "Words become padding where they stand.", "gaps",
        ("closed_BT = token_BT.gather(1, order_BT)", "closed_BT = token_BT.where(kept_BT, pad)"),
        (CLOSED, "closed_BT, length_B")),
    wrong("shuffled", "drop-words", "Sorting by the drawn numbers shuffles.", "changed their order",
        (ORDER, "order_BT = torch.where(kept_BT, drawn_BT, -1.0).argsort(dim=1, descending=True)")),
    wrong("tail_not_padded", "drop-words", "What was dropped stands behind.", "",
        (CLOSED, "closed_BT, length_B")),
    wrong("old_lengths", "drop-words", "The lengths are those of before.", "lengths",
        (CLOSED, CLOSED.replace("pad), length_B", "pad), lengths_B"))),
    wrong("one_text", "drop-words", "All texts lose the same words.", "one draw for all texts",
        (NUMBERS, "drawn_BT = torch.rand(T, generator=rng, device=rng.device).expand(token_BT.shape)")),
    wrong("global_words", "drop-words", "rand_like takes no generator.", GLOBAL,
        (NUMBERS, "drawn_BT = torch.rand(token_BT.shape)")),

    wrong("evaluation_varied", "training-batch", "The score is that of other pictures.", "evaluation is augmented",
        (TRAINING, "")),
    wrong("training_plain", "training-batch", "The mode is asked the wrong way round, twice.", "training is not augmented",
        ("        return self.vary(batch, self.generator())", "        return batch")),
    wrong("own_generator", "training-batch", "Each step draws the same.", "not self.generator()",
        ("self.vary(batch, self.generator())", "self.vary(batch, Generator().manual_seed(0))")),
    wrong("batch_updated", "training-batch", "The batch belongs to the caller.", "that was given has changed",
        ("return self.vary(batch, self.generator())", "batch.update(self.vary(batch, self.generator()))\n        return batch")),

    wrong("at_most_the_picture", "far-boxes", "A large box is made smaller before it is cut off.", "",
        (CORNER, "height_B, width_B = height_B.clamp(max=size[0]), width_B.clamp(max=size[1])\n    " + CORNER)),
    wrong("log_of_softmax", "sure-logits", "The logarithm of a softmax that is 0 is not finite.", "",
        (LOSS, LOSS.replace("F.log_softmax(logits_BC, dim=1)", "logits_BC.softmax(1).log()"))),
    wrong("bends_limited", "strong-bends", "A bend may be any number.", "",
        (PLACE, PLACE.replace("bend_B.exp()", "bend_B.clamp(-1, 1).exp()"))),

    Mutant("not_augmented", catches="accuracy",
        why="What the lab leaves behind: a hundred pictures, always the same.",
        edits=[("        super().__init__(loss=soft_cross_entropy, **network)\n",
                '        pad, flip, rounds, side, mix = 0, False, 0, 0, "none"\n'
                "        super().__init__(loss=soft_cross_entropy, **network)\n")]),
    Mutant("loop_over_pictures", catches="speed",
        why="A loop over items gives the same, slowly.",
        edits=[("    return " + WINDOW,
                "    H, W = image_BCHW.shape[2:]\n"
                "    corners = zip(padded, top_B.tolist(), left_B.tolist(), strict=True)\n"
                "    return torch.stack([x[:, t : t + H, s : s + W] for x, t, s in corners])"),
               ("    windows = padded.unfold(2, image_BCHW.shape[2], 1).unfold(3, image_BCHW.shape[3], 1)\n", "")]),
]
