"""Mistakes of lab 22, and a transformer without positions."""

from dllab.checks.mutants import Mutant


def wrong(task: str, *rows: tuple[str, str, str, str], check: str = "") -> list[Mutant]:
    """The reference with other code: name, what is said, what was written, and what instead."""
    return [
        Mutant(name, catches=check or task, why=WHY.get(name, says), says=says, edits=[(old, new)])
        for name, says, old, new in rows
    ]


# Why a mistake is made, or what it costs, where its name does not say it.
WHY = {
    "reshaped": "A patch would be a strip of rows, which any permutation of pixels serves as well.",
    "no_positions": "A bag of patches: a shoe's heel may be anywhere.",
    "post_norm": "The first transformer's order, which needs a warm-up and small rates in depth.",
    "resnet_v15": "The libraries' ResNet-50 is not the paper's: it costs 4.1 billion.",
    "strided_last": "The paper's table says s2, which 7 x 7 pixels contradict.",
}

CUT, SUM = "cut.permute(0, 2, 4, 1, 3, 5)", "torch.cat([first_B1D, patch_BND], dim=1) + place_TD"
ATTEND = "        y_BTD = x_BTD + self.attention(self.norm(x_BTD))\n"
THINK = "return y_BTD + self.network(self.outer_norm(y_BTD))"
READ = "return self.head(self.norm(x_BTD)[:, 0])"
TOKENS = "        x_BTD = tokens(self.embed(patches(x_BCHW, self.patch)), self.first, self.place)\n"
EACH = "        for block in self.blocks:\n            x_BTD = block(x_BTD)\n" + f"        {READ}"
HALF = "(mean_BTT + torch.eye(mean_BTT.shape[-1], device=mean_BTT.device)) / 2 @ whole_BTT"
PROD = "return math.prod(out) * math.prod(layer.weight.shape[1:])"
NOTHING = "    if not isinstance(layer, nn.Conv2d | nn.Linear):\n        return 0\n"
TABLE = "((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))"
CONV = "layers += [nn.Conv2d(fan_in, width, 3, padding=1), nn.ReLU()]"
DENSE = "wide = [nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]"
END = "return nn.Sequential(*layers, nn.Flatten(), *wide, nn.Linear(4096, classes))"
THREE, FIVE = "conv(fan_in, three[0], 1), conv(*three, 3)", "conv(fan_in, five[0], 1), conv(*five, 5)"
POOL = "nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(fan_in, pool, 1))"
DOWN = "down, across = unit(fan_in, width, 1, stride), unit(width, width, 3)"
LONG = "long = nn.Sequential(down, across, unit(width, fan_out, 1, act=False))"
SHORT = "short = nn.Identity() if same else unit(fan_in, fan_out, 1, stride, act=False)"
APART, MIX = "unit(fan_in, fan_in, 3, stride, groups=fan_in)", "unit(fan_in, fan_out, 1)"
SEPARABLE = f"return nn.Sequential({APART}, {MIX})"
NEAR = "near = int(exact + 4) // 8 * 8"

MUTANTS = [
    *wrong("patches",
        ("reshaped", "scrambled: this cuts rows, not squares", f"return {CUT}.flatten(3).flatten(1, 2)",
         "return image_BCHW.reshape(len(cut), cut.shape[2] * cut.shape[4], -1)"),
        ("by_columns", "column by column", CUT, "cut.permute(0, 4, 2, 1, 3, 5)"),
        ("channels_last", "channels come last", CUT, "cut.permute(0, 2, 4, 3, 5, 1)"),
        ("turned", "within a patch are swapped", CUT, "cut.permute(0, 2, 4, 1, 5, 3)"),
        ("channels_first", "channels come before patches",
         f"{CUT}.flatten(3).flatten(1, 2)",
         "cut.permute(0, 1, 2, 4, 3, 5).reshape(len(cut), cut.shape[2] * cut.shape[4], -1)"),
        ("interleaved", "rows of patches and rows within are mixed up", CUT, "cut.permute(0, 3, 4, 1, 2, 5)"),
        ("unfold_alone", "it is transposed", f"return {CUT}.flatten(3).flatten(1, 2)",
         f"return {CUT}.flatten(3).flatten(1, 2).mT")),
    *wrong("tokens",
        ("no_positions", "positions are forgotten", SUM, "torch.cat([first_B1D, patch_BND], dim=1) + 0 * place_TD"),
        ("class_last", "stands at the end", SUM, "torch.cat([patch_BND, first_B1D], dim=1) + place_TD"),
        ("class_nowhere", "the class token has no position",
         SUM, "torch.cat([first_B1D + 0 * place_TD[:1], patch_BND + place_TD[1:]], dim=1)"),
        ("only_class_placed", "patches have no positions",
         SUM, "torch.cat([first_B1D + place_TD[:1], patch_BND + 0 * place_TD[1:]], dim=1)"),
        ("one_position", "all tokens have the first position", SUM,
         "torch.cat([first_B1D, patch_BND], dim=1) + place_TD[0]"),
        ("multiplied", "multiplied, not added", SUM, "torch.cat([first_B1D, patch_BND], dim=1) * place_TD"),
        ("mean_in_front", "mean is in front", "first_B1D = class_D.expand(len(patch_BND), 1, -1)",
         "first_B1D = patch_BND.mean(dim=1, keepdim=True) + 0 * class_D"),
        ("next_position", "the next token's", SUM, "torch.cat([first_B1D, patch_BND], dim=1) + place_TD.roll(-1, 0)"),
        ("class_detached", "no gradient reaches first", "class_D.expand(", "class_D.detach().expand("),
        ("positions_detached", "no gradient reaches place", "dim=1) + place_TD", "dim=1) + place_TD.detach()"),
        ("class_missing", "expected shape [3, 5, 6]", SUM, "patch_BND + place_TD[1:]")),
    *wrong("block",
        ("post_norm", "post-norm", ATTEND + "        " + THINK,
         "        x_BTD = self.norm(x_BTD + self.attention(x_BTD))\n"
         "        return self.outer_norm(x_BTD + self.network(x_BTD))"),
        ("norm_behind", "norms come behind the parts", ATTEND + "        " + THINK,
         "        x_BTD = x_BTD + self.norm(self.attention(x_BTD))\n"
         "        return x_BTD + self.outer_norm(self.network(x_BTD))"),
        ("normed_way", "add to what came in", ATTEND + "        " + THINK,
         "        x_BTD = self.norm(x_BTD)\n        x_BTD = self.outer_norm(x_BTD + self.attention(x_BTD))\n"
         "        return x_BTD + self.network(x_BTD)"),
        ("no_shortcuts", "both shortcuts are missing", ATTEND + "        " + THINK,
         "        return self.network(self.outer_norm(self.attention(self.norm(x_BTD))))"),
        ("no_first_shortcut", "attention has no shortcut", "y_BTD = x_BTD + self.attention(", "y_BTD = self.attention("),
        ("side_by_side", "stand abreast", ATTEND + "        " + THINK,
         "        return x_BTD + self.attention(self.norm(x_BTD)) + self.network(self.outer_norm(x_BTD))"),
        ("norm_twice", "self.norm is asked twice", "self.outer_norm(y_BTD))\n", "self.norm(y_BTD))\n"),
        ("no_attention", "attention is missing", ATTEND, "        y_BTD = x_BTD\n"),
        ("no_network", "the network is missing", THINK, "return y_BTD"),
        ("network_first", "the network comes before attention", ATTEND + "        " + THINK,
         "        x_BTD = x_BTD + self.network(self.outer_norm(x_BTD))\n"
         "        return x_BTD + self.attention(self.norm(x_BTD))"),
        ("not_normalised", "nothing is normalised", ATTEND + "        " + THINK,
         "        x_BTD = x_BTD + self.attention(x_BTD)\n        return x_BTD + self.network(x_BTD)")),
    *wrong("logits",
        ("mean_token", "the mean of all tokens", READ, "return self.head(self.norm(x_BTD).mean(dim=1))"),
        ("mean_patch", "the mean of the patches", READ, "return self.head(self.norm(x_BTD)[:, 1:].mean(dim=1))"),
        ("last_token", "the last token", READ, "return self.head(self.norm(x_BTD)[:, -1])"),
        ("no_last_norm", "the norm before the head", READ, "return self.head(x_BTD[:, 0])"),
        ("blocks_left_out", "the blocks are left out", EACH, "        " + READ),
        ("backwards", "in the wrong order", EACH, EACH.replace("self.blocks", "reversed(self.blocks)")),
        ("first_block_again", "the first block does all", EACH, EACH.replace("= block(", "= self.blocks[0](")),
        ("one_block", "the first block alone", EACH, EACH.replace("in self.blocks", "in self.blocks[:1]")),
        ("last_block", "the last block alone", EACH,
         EACH.replace("        for", "        start_BTD = x_BTD\n        for").replace("block(x", "block(start")),
        ("probabilities", "the loss takes logits", READ, READ + ".softmax(dim=1)")),
    *wrong("moved",
        ("positions_unused", "positions are forgotten", TOKENS + EACH,
         TOKENS.replace("self.place", "0 * self.place") + EACH), check="moved"),
    *wrong("learns",
        ("pixels_cut_off", "no gradient reaches", TOKENS + EACH,
         TOKENS + EACH.replace("= block(x_BTD)", "= block(x_BTD.detach())"))),
    *wrong("rollout",
        ("no_shortcut_share", "the shortcut is forgotten", HALF, "mean_BTT @ whole_BTT"),
        ("from_the_right", "from the left", HALF,
         "whole_BTT @ (mean_BTT + torch.eye(mean_BTT.shape[-1], device=mean_BTT.device)) / 2"),
        ("column", "how patches look at the class token", "whole_BTT[:, 0, 1:]", "whole_BTT[:, 1:, 0]"),
        ("one_head", "one head alone", "look_BQTT.mean(dim=1)", "look_BQTT[:, 0]"),
        ("strongest_head", "the strongest head alone", "look_BQTT.mean(dim=1)", "look_BQTT.amax(dim=1)"),
        ("last_look", "the last block alone", "in looks:", "in looks[-1:]:"),
        ("first_look", "the first block alone", "in looks:", "in looks[:1]:"),
        ("not_divided", "keeps its share", "return share_BN / share_BN.sum(dim=1, keepdim=True)", "return share_BN"),
        ("all_tokens", "the mean over all tokens", "whole_BTT[:, 0, 1:]", "whole_BTT[:, :, 1:].mean(dim=1)"),
        ("added_up", "multiply them", HALF,
         "(mean_BTT + torch.eye(mean_BTT.shape[-1], device=mean_BTT.device)) / 2 + whole_BTT")),
    *wrong("multiply-adds",
        ("groups_ignored", "groups are ignored", PROD,
         "return math.prod(out) * math.prod(layer.weight.shape[1:]) * getattr(layer, 'groups', 1)"),
        ("weights_counted", "each serves at many places", PROD, "return layer.weight.numel()"),
        ("bias_counted", "biases are not counted", PROD,
         "return math.prod(out) * (1 + math.prod(layer.weight.shape[1:]))"),
        ("norms_counted", "count as 0", NOTHING,
         NOTHING.replace("return 0", "return math.prod(out)")),
        ("convolutions_alone", "linear layers cost", "nn.Conv2d | nn.Linear", "nn.Conv2d"),
        ("twice", "counts once", PROD, "return 2 * math.prod(out) * math.prod(layer.weight.shape[1:])")),
    *wrong("frontier",
        ("equals_lose", "each beats itself", " & better_NN).any", ").any"),
        ("cheaper_only", "as cheap and better", "(cost_N < cost_N[:, None]) | (accuracy_N > accuracy_N[:, None])",
         "cost_N < cost_N[:, None]"),
        ("better_only", "cheaper and as good", "(cost_N < cost_N[:, None]) | (accuracy_N > accuracy_N[:, None])",
         "accuracy_N > accuracy_N[:, None]"),
        ("both_better", "one better figure is enough", "(cost_N < cost_N[:, None]) | (accuracy_N > accuracy_N[:, None])",
         "(cost_N < cost_N[:, None]) & (accuracy_N > accuracy_N[:, None])"),
        ("beaten", "these are the beaten ones", "return ~(no_dearer_NN", "return (no_dearer_NN"),
        ("best_alone", "the most accurate alone", "return ~(no_dearer_NN & no_worse_NN & better_NN).any(dim=1)",
         "return accuracy_N == accuracy_N.max()"),
        ("cheapest_alone", "the cheapest alone", "return ~(no_dearer_NN & no_worse_NN & better_NN).any(dim=1)",
         "return cost_N == cost_N.min()")),
    *wrong("vgg",
        ("classes_fixed", "`classes` is ignored", END, END.replace("classes", "1000")),
        ("no_bias", "convolutions have a bias", CONV, CONV.replace("padding=1", "padding=1, bias=False")),
        ("normed", "batch norm came a year later", CONV,
         "layers += [nn.Conv2d(fan_in, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]"),
        ("vgg19", "this is VGG-19", TABLE, "((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))"),
        ("vgg13", "this is VGG-13", TABLE, "((64, 2), (128, 2), (256, 2), (512, 2), (512, 2))"),
        ("one_dense", "a linear layer of 4,096 is missing", DENSE, "wide = [nn.Linear(512 * 7 * 7, 4096), nn.ReLU()]"),
        ("relu_behind", "the logits go through a ReLU", END, END[:-1] + ", nn.ReLU())"),
        ("linear_twice", "have a ReLU, too", DENSE, DENSE.replace(", nn.ReLU()", "")),
        ("no_relu", "each convolution has a ReLU", CONV, "layers += [nn.Conv2d(fan_in, width, 3, padding=1)]"),
        ("one_relu", "one ReLU serves a whole group",
         CONV + "\n            fan_in = width\n        layers.append(nn.MaxPool2d(2))",
         "layers += [nn.Conv2d(fan_in, width, 3, padding=1)]\n            fan_in = width\n"
         "        layers += [nn.ReLU(), nn.MaxPool2d(2)]"),
        ("mean_pool", "groups end with a max pool", "layers.append(nn.MaxPool2d(2))", "layers.append(nn.AvgPool2d(2))")),
    *wrong("inception",
        ("pool_of_means", "the pool takes the mean", "nn.MaxPool2d(3, stride=1, padding=1)", "nn.AvgPool2d(3, stride=1, padding=1)"),
        ("pool_last", "comes behind the pool", POOL,
         "nn.Sequential(conv(fan_in, pool, 1), nn.MaxPool2d(3, stride=1, padding=1))"),
        ("ways_swapped", "swapped in the order", f"nn.Sequential({THREE}),\n        nn.Sequential({FIVE})",
         f"nn.Sequential({FIVE}),\n        nn.Sequential({THREE})"),
        ("pool_first", "the pool's way comes last",
         f"conv(fan_in, one, 1),\n        nn.Sequential({THREE}),\n        nn.Sequential({FIVE}),\n        {POOL}",
         f"{POOL},\n        conv(fan_in, one, 1),\n        nn.Sequential({THREE}),\n        nn.Sequential({FIVE})"),
        ("not_reduced", "have a 1 x 1 before them", f"nn.Sequential({THREE}),\n        nn.Sequential({FIVE})",
         "conv(fan_in, three[1], 3),\n        conv(fan_in, five[1], 5)"),
        ("no_five", "the third way has a 5 x 5", "conv(*five, 5)", "conv(*five, 3)")),
    *wrong("bottleneck",
        ("resnet_v15", "as libraries have it", DOWN,
         "down, across = unit(fan_in, width, 1), unit(width, width, 3, stride)"),
        ("relu_in_the_sum", "a ReLU stands before the sum", LONG, LONG.replace(", act=False", "")),
        ("relu_on_shortcut", "the shortcut has no ReLU", SHORT, SHORT.replace(", act=False", "")),
        ("no_last_relu", "the ReLU after the sum", "    return Residual(long, short, nn.ReLU())\n",
         "    return Residual(long, short, nn.Identity())\n"),
        ("always_projected", "where the shape stays", SHORT, "short = unit(fan_in, fan_out, 1, stride, act=False)"),
        ("wide_middle", "has `width` channels", DOWN + "\n    " + LONG,
         "down, across = unit(fan_in, fan_out, 1, stride), unit(fan_out, fan_out, 3)\n"
         "    long = nn.Sequential(down, across, unit(fan_out, fan_out, 1, act=False))"),
        ("all_one", "the middle one is 3 x 3", "unit(width, width, 3)", "unit(width, width, 1)")),
    *wrong("separable",
        ("whole_first", "every channel goes by itself", APART, "unit(fan_in, fan_in, 3, stride)"),
        ("late_stride", "the stride stands in the 1 x 1", SEPARABLE,
         "return nn.Sequential(unit(fan_in, fan_in, 3, groups=fan_in), unit(fan_in, fan_out, 1, stride))"),
        ("no_relu_between", "the ReLU between", APART, APART[:-1] + ", act=False)"),
        ("no_relu_behind", "the last ReLU", SEPARABLE, SEPARABLE.replace("fan_out, 1)", "fan_out, 1, act=False)")),
        ("mixed_first", "the 1 x 1 comes behind", SEPARABLE,
         "return nn.Sequential(unit(fan_in, fan_out, 1), unit(fan_out, fan_out, 3, stride, groups=fan_out))"),
        ("wide_second", "the second is 1 x 1", SEPARABLE, SEPARABLE.replace("fan_out, 1)", "fan_out, 3)")),
        ("one_convolution", "one whole convolution", SEPARABLE, "return unit(fan_in, fan_out, 3, stride)")),
    *wrong("mobilenet",
        ("thousand_classes", "`classes` is ignored", "*head(fan_in, classes))", "*head(fan_in, 1000))"),
        ("always_wide", "`width` is ignored", "    fan_in = int(32 * width)\n", "    width = 1.0\n    fan_in = 32\n"),
        ("wide_start", "the first unit is made narrower", "fan_in = int(32 * width)", "fan_in = 32"),
        ("five_times", "come six times", "*[(512, 1)] * 5]", "*[(512, 1)] * 4]"),
        ("strided_last", "the last stride is 1", "(1024, 2), (1024, 1)]", "(1024, 2), (1024, 2)]"),
        ("no_stride_1024", "the first 1,024 has stride 2", "(1024, 2), (1024, 1)]", "(1024, 1), (1024, 1)]"),
        ("once_1024", "1,024 channels come twice", "(1024, 2), (1024, 1)]", "(1024, 2)]"),
        ("stem_alone", "separable ones need strides", "int(channels * width), stride)", "int(channels * width), 1)")),
    *wrong("shuffle",
        ("unmoved", "nothing is moved", ".transpose(1, 2).flatten(1, 2)\n    # E", ".flatten(1, 2)\n    # E"),
        ("swapped", "groups and channels are swapped", "unflatten(1, (groups, -1)).t", "unflatten(1, (-1, groups)).t"),
        ("turned_round", "the groups are turned round", "(groups, -1)).transpose(1, 2)", "(groups, -1)).flip(1)"),
        ("pixels", "pixels are moved", "return x_BCHW.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)",
         "return x_BCHW.flip(3)")),
    *wrong("scaled",
        ("cut_off", "channels are cut off", NEAR, "near = int(exact) // 8 * 8"),
        ("always_up", "channels go to the nearest", NEAR, "near = math.ceil(exact / 8) * 8"),
        ("bankers", "halves are rounded upwards", NEAR, "near = round(exact / 8) * 8"),
        ("any_number", "multiples of 8", NEAR, "near = int(exact)"),
        ("no_tenth", "8 more where", "        near += 8\n", "        pass\n"),
        ("repeats_rounded", "not to the nearest", "math.ceil(repeats * depth)", "round(repeats * depth)"),
        ("repeats_cut", "not cut off", "math.ceil(repeats * depth)", "int(repeats * depth)"),
        ("depth_for_width", "width and depth are swapped", "    exact = channels * width\n",
         "    width, depth = depth, width\n    exact = channels * width\n")),
    *wrong("patches", ("squeezed", "", f"return {CUT}.flatten(3).flatten(1, 2)",
         f"return {CUT}.flatten(3).flatten(1, 2).squeeze()"), check="one-picture"),
    *wrong("frontier", ("shares_of_the_range", "", "    no_dearer_NN = cost_N <=",
         "    cost_N = (cost_N - cost_N.min()) / (cost_N.max() - cost_N.min())\n    no_dearer_NN = cost_N <="),
         check="all-alike"),
    *wrong("logits", ("grey_alone", "", "ViT(side, channels, patch, **how)", "ViT(side, 1, patch, **how)"), check="colour"),

    Mutant("bag_of_patches", catches="accuracy", why="Without positions it cannot tell a heel from a collar.",
        edits=[("            net = ViT(side, channels, patch, **how)\n",
                "            net = ViT(side, channels, patch, **how)\n"
                "            net.place.requires_grad_(False).zero_()\n")]),
]
