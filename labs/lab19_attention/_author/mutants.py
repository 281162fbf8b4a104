"""Mistakes of lab 19, and right attention that every case must pass."""

from dllab.checks.mutants import Mutant, Variant

TOP = "    top_BHT1 = score_BHTS.amax(-1, keepdim=True).clamp(min=LOWEST)\n"
TOTAL = "    total_BHT1 = weight_BHTS.sum(-1, keepdim=True).clamp(min=1)\n"
KEYS = "place_S < length_B[:, None, None, None]"

MUTANTS = [
    Mutant("padding_kept", catches="keep", why="A text of length 3 has no place 3.",
        says="the place after the last token is padding",
        edits=[(KEYS, "place_S <= length_B[:, None, None, None]")]),
    Mutant("last_token_lost", catches="keep", why="The last token tells most of what comes next.",
        says="the last token of a text is taken for padding",
        edits=[(KEYS, "place_S < length_B[:, None, None, None] - 1")]),
    Mutant("own_place_hidden", catches="keep", why="The first token then sees nothing at all.",
        says="its own place", edits=[("(place_S <= place_T[:, None])", "(place_S < place_T[:, None])")]),
    Mutant("future_seen", catches="keep", why="What is to be guessed is there to be read.",
        says="what comes after it", edits=[("(place_S <= place_T[:, None])", "(place_S >= place_T[:, None])")]),
    Mutant("triangle_of_indices", catches="keep",
        why="Behind a cache the first query has index 0, and may see all that was read.",
        says="indices are compared",
        edits=[("& (place_S <= place_T[:, None]) if causal",
                "& torch.ones(len(place_T), len(place_S)).tril().bool() if causal")]),
    Mutant("causal_forgets_padding", catches="keep", why="One mask takes the other's place.",
        says="with causal, padding counts",
        edits=[("keep_B1TS & (place_S <= place_T[:, None])",
                "(place_S <= place_T[:, None]).expand_as(keep_B1TS)")]),
    Mutant("causal_ignored", catches="keep", why="Training looks splendid, and writing is noise.",
        says="causal changes nothing",
        edits=[("return keep_B1TS & (place_S <= place_T[:, None]) if causal else keep_B1TS", "return keep_B1TS")]),
    Mutant("first_length", catches="keep", why="It is right for a batch of one.",
        says="the length of the first", edits=[(KEYS, "place_S < length_B[:1].expand(len(length_B))[:, None, None, None]")]),
    Mutant("queries_masked", catches="keep", why="Rows are masked where columns should be.",
        says="mask keys",
        edits=[(f"({KEYS}).expand(-1, 1, len(place_T), -1)",
                f"({KEYS}) & (place_T < length_B[:, None])[:, None, :, None]")]),
    Mutant("swapped", catches="keep", why="In nn.MultiheadAttention True means to leave out.",
        says="True is to keep",
        edits=[(f"keep_B1TS = ({KEYS}).expand", "keep_B1TS = (place_S >= length_B[:, None, None, None]).expand")]),

    Mutant("by_d", catches="scores", why="All weights are nearly equal.", says="not by √K",
        edits=[("k_BHSK.mT / q_BHTK.shape[-1] ** 0.5", "k_BHSK.mT / q_BHTK.shape[-1]")]),
    Mutant("not_divided", catches="scores", why="One key gets all the weight from the start.",
        says="the division by √K is missing",
        edits=[("k_BHSK.mT / q_BHTK.shape[-1] ** 0.5", "k_BHSK.mT")]),
    Mutant("by_all_heads", catches="scores", why="D is taken for the K of one head.",
        says="√(H · K)",
        edits=[("k_BHSK.mT / q_BHTK.shape[-1] ** 0.5", "k_BHSK.mT / (q_BHTK.shape[-1] * q_BHTK.shape[1]) ** 0.5")]),
    Mutant("mask_upside_down", catches="scores", why="masked_fill fills where True.",
        says="where the mask is True the score is kept",
        edits=[("score_BHTS.masked_fill(~keep_B1TS, -torch.inf)", "score_BHTS.masked_fill(keep_B1TS, -torch.inf)")]),
    Mutant("multiplied_by_mask", catches="scores", why="exp(0) is 1, not 0.", says="0 is a score like others",
        edits=[("score_BHTS.masked_fill(~keep_B1TS, -torch.inf)", "score_BHTS * keep_B1TS")]),
    Mutant("not_masked", catches="scores", why="The mask is left for after the softmax.",
        says="must be -torch.inf",
        edits=[("    return score_BHTS.masked_fill(~keep_B1TS, -torch.inf)", "    return score_BHTS")]),
    Mutant("by_library", catches="softmax", why="What the library does need not be understood.",
        says="by hand",
        edits=[("    return weight_BHTS / total_BHT1, top", "    return score_BHTS.softmax(-1), top")]),

    Mutant("over_queries", catches="softmax", why="The weights of a key add up to 1, not those of a query.",
        says="over the queries",
        edits=[(TOP, TOP.replace("amax(-1", "amax(-2")), (TOTAL, TOTAL.replace("sum(-1", "sum(-2"))]),
    Mutant("weights_undivided", catches="softmax", why="The output grows with the text.",
        says="p is not divided", edits=[("return weight_BHTS / total_BHT1, top", "return weight_BHTS, top")]),
    Mutant("lse_without_top", catches="softmax", why="It is right only where the largest score is 0.",
        says="lse lacks the row's largest score",
        edits=[("total_BHT1, top_BHT1 + total_BHT1.log()", "total_BHT1, total_BHT1.log()")]),
    Mutant("lse_without_log", catches="softmax", why="exp(s - lse) is then no weight.",
        says="lse lacks the logarithm",
        edits=[("total_BHT1, top_BHT1 + total_BHT1.log()", "total_BHT1, top_BHT1 + total_BHT1")]),
    Mutant("lse_is_total", catches="softmax", why="The sum itself overflows.", says="lse is the total",
        edits=[("total_BHT1, top_BHT1 + total_BHT1.log()", "total_BHT1, total_BHT1")]),
    Mutant("top_of_the_scores", catches="softmax", why="The other rows' totals are then below 1.",
        says="not of each row", edits=[(TOP, "    top_BHT1 = score_BHTS.amax().clamp(min=LOWEST)\n")]),
    Mutant("one_added", catches="softmax", why="An empty row is right, the others are not.",
        says="1 is added to the total", edits=[(TOTAL, TOTAL.replace(".clamp(min=1)", " + 1"))]),
    Mutant("nan_for_nothing", catches="nothing-to-see", why="-∞ minus -∞ is nan.",
        edits=[(TOP, "    top_BHT1 = score_BHTS.amax(-1, keepdim=True)\n")]),
    Mutant("nothing_over_nothing", catches="nothing-to-see", why="0 / 0 is nan.",
        edits=[(TOTAL, "    total_BHT1 = weight_BHTS.sum(-1, keepdim=True)\n")]),
    Mutant("overflow", catches="far-scores", why="exp(1000) is infinite.",
        edits=[(TOP, "    top_BHT1 = torch.zeros_like(score_BHTS[..., :1])\n"),
               (TOTAL, "    total_BHT1 = weight_BHTS.sum(-1, keepdim=True)\n")]),

    Mutant("total_constant", catches="backward", why="What a detach() of the total would do.",
        says="subtract Σ g y", edits=[("(g @ v.mT - along_BHT1)", "(g @ v.mT)")]),
    Mutant("without_p", catches="backward", why="The derivative of exp is exp.", says="lacks the factor p",
        edits=[("ds_BHTS = p_BHTS * (g @ v.mT - along_BHT1)", "ds_BHTS = (g @ v.mT - along_BHT1) * keep")]),
    Mutant("dk_unscaled", catches="backward", why="Half of the chain rule is done.",
        says="dk is not divided",
        edits=[("return ds_BHTS @ k, ds_BHTS.mT @ q,", "return ds_BHTS @ k, ds_BHTS.mT @ q * q.shape[-1] ** 0.5,")]),
    Mutant("dq_unscaled", catches="backward", why="Half of the chain rule is done.",
        says="dq is not divided",
        edits=[("return ds_BHTS @ k, ds_BHTS.mT @ q,", "return ds_BHTS @ k * q.shape[-1] ** 0.5, ds_BHTS.mT @ q,")]),
    Mutant("ds_by_d", catches="backward", why="The scores were divided by √K.",
        says="not by √K", edits=[("along_BHT1) / q.shape[-1] ** 0.5\n", "along_BHT1) / q.shape[-1]\n")]),
    Mutant("backward_unmasked", catches="backward", why="Padding learns.", says="under the mask",
        edits=[("    p_BHTS = (scores(q, k, keep) - lse).exp()", "    p_BHTS = (scores(q, k, keep | True) - lse).exp()")]),
    Mutant("dv_of_ds", catches="backward", why="Values are weighted by p in the forward pass.",
        says="dv comes of ds",
        edits=[("p_BHTS.mT @ g\n    # END", "ds_BHTS.mT @ g\n    # END")]),

    Mutant("not_faded", catches="online", why="Old weights are relative to the old top.",
        says="the old sums are not multiplied",
        edits=[("return new, fade * total + weight_BHTS.sum(-1, keepdim=True), fade * y +",
                "return new, total + weight_BHTS.sum(-1, keepdim=True), y +")]),
    Mutant("y_not_faded", catches="online", why="It is right while the first tile has the largest score.",
        says="only the old total", edits=[("fade * y + weight_BHTS", "y + weight_BHTS")]),
    Mutant("fade_upside_down", catches="online", why="Old sums grow with every better key.",
        says="upside down", edits=[("fade, weight_BHTS = (top - new).exp()", "fade, weight_BHTS = (new - top).exp()")]),
    Mutant("top_of_tile", catches="online", why="The old sums may be scaled up without bound.",
        says="of the new scores alone",
        edits=[("new = torch.maximum(top, score_BHTS.amax(-1, keepdim=True))", "new = score_BHTS.amax(-1, keepdim=True)")]),
    Mutant("top_stays", catches="online", why="Nothing overflows until a large score comes late.",
        says="the top stays",
        edits=[("new = torch.maximum(top, score_BHTS.amax(-1, keepdim=True))", "new = top")]),
    Mutant("own_top", catches="online", why="Old and new weights have different units.",
        says="relative to their own top",
        edits=[("(score_BHTS - new).exp()", "(score_BHTS - score_BHTS.amax(-1, keepdim=True)).exp()")]),

    Mutant("by_old_top", catches="online", why="Old and new weights have different units.",
        says="relative to the old top", edits=[("(score_BHTS - new).exp()", "(score_BHTS - top).exp()")]),
    Mutant("divided_too_soon", catches="online", why="What is divided twice is no sum.",
        says="it stays a sum",
        code={"online": """
        top, total, y = state
        new = torch.maximum(top, score_BHTS.amax(-1, keepdim=True))
        fade, weight = (top - new).exp(), (score_BHTS - new).exp()
        total = fade * total + weight.sum(-1, keepdim=True)
        return new, total, (fade * y + weight @ v_BHSV) / total
        """}),

    Mutant("all_at_once", catches="tiled", why="Nothing is saved.", says="all keys are taken at once",
        edits=[("        score_BHTS = scores(q, k[:, :, place_S], keep(place_S))\n",
                "        score_BHTS = scores(q, k, keep(torch.arange(k.shape[2])))[..., place_S]\n")]),
    Mutant("one_by_one", catches="tiled", why="As many steps as tokens.", says="one key is taken",
        edits=[("    for place_S in torch.arange(k.shape[2], device=k.device).split(size):\n        score",
                "    for place_S in torch.arange(k.shape[2], device=k.device).split(1):\n        score")]),
    Mutant("last_tile_lost", catches="tiled", why="5 // 2 is 2.", says="the last tile is left out",
        edits=[("    for place_S in torch.arange(k.shape[2], device=k.device).split(size):\n        score",
                "    for place_S in torch.arange(k.shape[2] // size * size).split(size):\n        score")]),
    Mutant("sum_for_mean", catches="tiled", why="The state holds sums.", says="y is not divided",
        edits=[("    return y / total, top + total.log()", "    return y, top + total.log()")]),
    Mutant("tiled_lse_without_top", catches="tiled", why="The sums are relative to the top.",
        says="lse lacks the largest score",
        edits=[("    return y / total, top + total.log()", "    return y / total, total.log()")]),
    Mutant("tiled_lse_without_log", catches="tiled", why="Only the top is handed on.",
        says="lse lacks the logarithm",
        edits=[("    return y / total, top + total.log()", "    return y / total, top")]),
    Mutant("softmax_by_tile", catches="tiled", why="Tiles with poor keys count as much as others.",
        says="a softmax of its own",
        code={"tiled": """
        places = torch.arange(k.shape[2]).split(size)
        parts = [softmax(scores(q, k[:, :, some], keep(some))) for some in places]
        y = sum(p @ v[:, :, some] for (p, _), some in zip(parts, places, strict=True))
        return y / len(parts), sum(lse for _, lse in parts)
        """}),
    Mutant("first_mask_again", catches="tiled", why="Places are counted within the tile.",
        says="the places of this one",
        edits=[("score_BHTS = scores(q, k[:, :, place_S], keep(place_S))",
                "score_BHTS = scores(q, k[:, :, place_S], keep(place_S - place_S[0]))")]),
    Mutant("tiles_start_at_infinity", catches="uneven-tiles", why="-∞ minus -∞ is nan.",
        edits=[("zero_BHT1 + LOWEST, zero_BHT1,", "zero_BHT1 - torch.inf, zero_BHT1,")]),
    Mutant("tiles_start_at_zero", catches="tiled", why="A largest score below 0 is not found.",
        edits=[("zero_BHT1 + LOWEST, zero_BHT1,", "zero_BHT1, zero_BHT1,")]),

    Mutant("backward_at_once", catches="tiled-backward", why="Half of the memory is saved.",
        says="all keys are taken at once",
        code={"tiled-backward": """
        return attention_backward(g, known, keep(torch.arange(known.k.shape[2])))
        """}),
    Mutant("dq_of_the_last", catches="tiled-backward", why="It is assigned, not added.",
        says="of the last tile alone", edits=[("        dq = dq + more\n", "        dq = more\n")]),
    Mutant("dq_of_the_first", catches="tiled-backward", why="It is returned too early.",
        says="of the first tile alone", edits=[("        dq = dq + more\n", "        dq = dq if parts else more\n")]),
    Mutant("dq_averaged", catches="tiled-backward", why="Gradients of sums are sums.",
        says="the mean over tiles", edits=[("    return dq, dk, dv\n", "    return dq / len(parts), dk, dv\n")]),
    Mutant("lse_by_tile", catches="tiled-backward", why="Weights of a tile add up to 1 by themselves.",
        says="the whole row's",
        edits=[("        more, *part = attention_backward(g, tile, keep(place_S))\n",
                "        y, lse = attention(tile.q, tile.k, tile.v, keep(place_S))\n"
                "        tile = tile._replace(y=y, lse=lse)\n"
                "        more, *part = attention_backward(g, tile, keep(place_S))\n")]),

    Mutant("weights_kept", catches="save", why="Then tiles spare nothing.", says="grows with T · S",
        edits=[("        ctx.options = options\n",
                "        ctx.options = options\n"
                "        ctx.p = softmax(scores(q, k, options[0](torch.arange(k.shape[2]))))[0]\n")]),
    Mutant("saved_at_once", catches="save", why="The scores of all keys are there, if only for a moment.",
        says="keys are taken at once",
        edits=[("        y, lse = tiled(q, k, v, *options)\n",
                "        y, lse = attention(q, k, v, options[0](torch.arange(k.shape[2])))\n")]),
    Mutant("wrong_order_saved", catches="save", why="They come back as they were saved.",
        says="in this order", edits=[("ctx.save_for_backward(q, k, v, y, lse)", "ctx.save_for_backward(k, q, v, y, lse)")]),
    Mutant("y_and_lse_mixed", catches="save", why="tiled returns y first.", says="what tiled returns first",
        edits=[("        ctx.options = options\n        return y\n", "        ctx.options = options\n        return lse.expand_as(y)\n")]),

    Mutant("clockwise", catches="rope", why="Both conventions work; only one agrees with others.",
        says="clockwise",
        edits=[("a * cos_TJ - b * sin_TJ, a * sin_TJ + b * cos_TJ", "a * cos_TJ + b * sin_TJ, b * cos_TJ - a * sin_TJ")]),
    Mutant("neighbours_paired", catches="rope", why="Weights of other models then do not fit.",
        says="2i and 2i + 1",
        edits=[("    a, b = x_BHTK.split(half, dim=-1)\n    return torch.cat([", "    a, b = x_BHTK[..., ::2], x_BHTK[..., 1::2]\n    return torch.stack(["),
               ("a * sin_TJ + b * cos_TJ], dim=-1)", "a * sin_TJ + b * cos_TJ], dim=-1).flatten(-2)")]),
    Mutant("torn_pairs", catches="rope", why="Taken apart in one way, put back in the other.",
        says="put back as i and i + K/2",
        edits=[("    a, b = x_BHTK.split(half, dim=-1)\n", "    a, b = x_BHTK[..., ::2], x_BHTK[..., 1::2]\n")]),
    Mutant("mirrored", catches="rope", why="A sign, once more.", says="points are mirrored",
        edits=[("a * sin_TJ + b * cos_TJ", "a * sin_TJ - b * cos_TJ")]),
    Mutant("half_exponent", catches="rope", why="i / K in place of 2i / K.", says="the exponent is -i / K",
        edits=[("x_BHTK.device) / half)", "x_BHTK.device) / (2 * half))")]),
    Mutant("double_exponent", catches="rope", why="arange(0, K, 2) was doubled once more.",
        says="-4i / K", edits=[("x_BHTK.device) / half)", "x_BHTK.device) * 2 / half)")]),
    Mutant("faster_and_faster", catches="rope", why="The sign of the exponent.", says="the exponent is positive",
        edits=[("base ** (-torch.arange", "base ** (torch.arange")]),
    Mutant("one_rate", catches="rope", why="Places far apart cannot be told from near ones.",
        says="at one rate", edits=[("place_T[:, None] * rate_J\n", "place_T[:, None] * torch.ones_like(rate_J)\n")]),
    Mutant("places_from_one", catches="rope", why="It is silent while all places are wrong alike.",
        says="too high", edits=[("angle_TJ = place_T[:, None] *", "angle_TJ = (place_T[:, None] + 1) *")]),
    Mutant("a_place_off", catches="rope", why="The cache is off by one.", says="not turned enough",
        edits=[("angle_TJ = place_T[:, None] *", "angle_TJ = (place_T[:, None] - 1) *")]),
    Mutant("index_for_place", catches="rope", why="Behind a cache every token is the first.",
        says="the queries' index", edits=[("angle_TJ = place_T[:, None] *", "angle_TJ = torch.arange(len(place_T))[:, None] *")]),
    Mutant("another_base", catches="rope", why="The argument is not used.", says="the base",
        edits=[("rate_J = base **", "rate_J = 1000.0 **")]),

    Mutant("tokens_mixed", catches="heads", why="view does not move numbers.", says="tokens are mixed",
        edits=[("x_BTD.unflatten(-1, (heads, -1)).transpose(1, 2)", "x_BTD.reshape(len(x_BTD), heads, x_BTD.shape[1], -1)")]),
    Mutant("strided_heads", catches="heads", why="[K, H] for [H, K].", says="every H-th number",
        edits=[("x_BTD.unflatten(-1, (heads, -1)).transpose(1, 2)", "x_BTD.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)")]),
    Mutant("heads_after_tokens", catches="heads", why="Then tokens take the heads' place in every product.",
        says="heads must come before tokens",
        edits=[("x_BTD.unflatten(-1, (heads, -1)).transpose(1, 2)", "x_BTD.unflatten(-1, (heads, -1))")]),
    Mutant("groups_in_turns", catches="share", why="repeat and repeat_interleave.", says="take turns",
        edits=[("x_BGSK.repeat_interleave(heads // x_BGSK.shape[1], dim=1)", "x_BGSK.repeat(1, heads // x_BGSK.shape[1], 1, 1)")]),
    Mutant("one_group", catches="share", why="That is multi-query attention.", says="the first group",
        edits=[("x_BGSK.repeat_interleave(heads // x_BGSK.shape[1], dim=1)", "x_BGSK[:, :1].expand(-1, heads, -1, -1)")]),
    Mutant("not_shared", catches="share", why="It broadcasts for one group alone.", says="nothing is repeated",
        edits=[("return x_BGSK.repeat_interleave(heads // x_BGSK.shape[1], dim=1)", "return x_BGSK")]),
    Mutant("too_many", catches="share", why="heads is how many there shall be.", says="not H / G",
        edits=[("x_BGSK.repeat_interleave(heads // x_BGSK.shape[1], dim=1)", "x_BGSK.repeat_interleave(heads, dim=1)")]),

    Mutant("new_before_old", catches="cache", why="Every token gets its neighbour's past.", says="after the old ones",
        edits=[("torch.cat([self.k, k_BGTK], dim=2)", "torch.cat([k_BGTK, self.k], dim=2)"),
               ("torch.cat([self.v, v_BGTK], dim=2)", "torch.cat([v_BGTK, self.v], dim=2)")]),
    Mutant("new_alone_returned", catches="cache", why="The cache is filled, and never read.",
        says="only the newest tokens are returned",
        code={"cache": """
        new = k_BGTK, v_BGTK
        self.k = k_BGTK if self.k is None else torch.cat([self.k, k_BGTK], dim=2)
        self.v = v_BGTK if self.v is None else torch.cat([self.v, v_BGTK], dim=2)
        return new
        """}),
    Mutant("nothing_kept", catches="cache", why="The result is returned, and forgotten.", says="nothing is kept",
        edits=[("        self.k, self.v = k_BGTK, v_BGTK\n        return", "        return")]),
    Mutant("new_alone_kept", catches="cache", why="The cache never grows.", says="only the newest tokens are kept",
        code={"cache": """
        self.k, self.v = k_BGTK, v_BGTK
        return self.k, self.v
        """}),
    Mutant("first_alone_kept", catches="cache", why="It is set when it is None, and never again.",
        says="only the first tokens are kept",
        edits=[("        self.k, self.v = k_BGTK, v_BGTK\n        return",
                "        if self.k is None:\n            self.k, self.v = k_BGTK, v_BGTK\n        return")]),
    Mutant("keys_for_values", catches="cache", why="Copied, and half changed.", says="values are lost",
        edits=[("torch.cat([self.v, v_BGTK], dim=2)", "torch.cat([self.k, k_BGTK], dim=2)[:, :, -self.v.shape[2] - v_BGTK.shape[2] :]"),
               ("        self.k, self.v = k_BGTK, v_BGTK\n        return", "        self.k, self.v = k_BGTK, k_BGTK\n        return")]),

    Mutant("detached", catches="cache", why="To spare memory: but training goes through the cache.",
        says="cut off from the graph",
        edits=[("        self.k, self.v = k_BGTK, v_BGTK\n        return k_BGTK, v_BGTK\n",
                "        self.k, self.v = k_BGTK.detach(), v_BGTK.detach()\n        return self.k, self.v\n")]),

    Mutant("not_projected", catches="layer", why="Heads never meet.", says="self.out is missing",
        edits=[("return self.out(merge_heads(y_BHTK))", "return merge_heads(y_BHTK)")]),
    Mutant("values_turned", catches="layer", why="What is read depends on where it stood.", says="values are turned",
        edits=[("cache.append(k, split_heads(self.value(x_BTD), self.groups))",
                "cache.append(k, self.turn(split_heads(self.value(x_BTD), self.groups), place_T))")]),
    Mutant("keys_not_turned", catches="layer", why="Products then depend on the query's place alone.",
        says="keys are not turned",
        edits=[("k = self.turn(split_heads(self.key(x_BTD), self.groups), place_T)", "k = split_heads(self.key(x_BTD), self.groups)")]),
    Mutant("queries_not_turned", catches="layer", why="Products then depend on the key's place alone.",
        says="queries are not turned",
        edits=[("q = self.turn(split_heads(self.query(x_BTD), self.heads), place_T)", "q = split_heads(self.query(x_BTD), self.heads)")]),
    Mutant("nothing_turned", catches="layer", why="Attention is blind to order.", says="neither queries nor keys",
        edits=[("q = self.turn(split_heads(self.query(x_BTD), self.heads), place_T)", "q = split_heads(self.query(x_BTD), self.heads)"),
               ("k = self.turn(split_heads(self.key(x_BTD), self.groups), place_T)", "k = split_heads(self.key(x_BTD), self.groups)")]),
    Mutant("repeated_not_shared", catches="layer", why="share is there, and not used.", says="use share",
        edits=[("share(k, self.heads), share(v, self.heads)", "k.repeat(1, 2, 1, 1), v.repeat(1, 2, 1, 1)")]),
    Mutant("cache_ignored", catches="layer", why="Append is called, and its result dropped.",
        says="the cache is not used",
        edits=[("        k, v = cache.append(k, split_heads(self.value(x_BTD), self.groups))\n",
                "        v = split_heads(self.value(x_BTD), self.groups)\n        cache.append(k, v)\n"
                "        keep = partial(keep_mask, place_T - past, length_B=length_B - past, causal=True)\n")]),
    Mutant("shared_before_cached", catches="layer", why="The cache is as large as without groups.",
        says="before they are cached",
        edits=[("        k, v = cache.append(k, split_heads(self.value(x_BTD), self.groups))\n",
                "        v = split_heads(self.value(x_BTD), self.groups)\n"
                "        k, v = cache.append(share(k, self.heads), share(v, self.heads))\n")]),
    Mutant("unmerged", catches="layer", why="reshape gives the right shape.", says="heads are not merged",
        edits=[("self.out(merge_heads(y_BHTK))", "self.out(y_BHTK.reshape(x_BTD.shape))")]),
    Mutant("added", catches="layer", why="The block adds it a second time.", says="the block around the layer",
        edits=[("return self.out(merge_heads(y_BHTK))", "return x_BTD + self.out(merge_heads(y_BHTK))")]),
    Mutant("always_turned", catches="layer", why="Without rotary, all runs are alike.", says="without rotary, too",
        edits=[("q = self.turn(split_heads", "q = rope(split_heads"), ("k = self.turn(split_heads", "k = rope(split_heads")]),
    Mutant("never_in_tiles", catches="layer", why="With tiles, all runs are alike.", says="tiles are never used",
        edits=[("self.attend(q, share(k, self.heads), share(v, self.heads), keep)",
                "attention(q, share(k, self.heads), share(v, self.heads), keep(torch.arange(k.shape[2])))[0]")]),
    Mutant("shared_in_place", catches="in-pieces", why="Only layers that tile go wrong.",
        edits=[("            return Tiled.apply(q, k, v, keep, self.size)", "            return Tiled.apply(q, k, 2 * v, keep, self.size)")]),

    Mutant("reads_again", catches="write", why="Each token costs as much as all before it.",
        says="read the chosen one alone",
        code={"write": """
        written = []
        for _ in range(steps):
            token_B1 = choose(self.read(token_BT)[:, -1])[:, None]
            token_BT = torch.cat([token_BT, token_B1], dim=1)
            written.append(token_B1)
        return torch.cat(written, dim=1)
        """}),
    Mutant("forgets", catches="write", why="New caches for every token.", says="keep the caches",
        edits=[("choose(self.read(token_BT, caches)[:, -1])", "choose(self.read(token_BT, self.caches())[:, -1])")]),
    Mutant("first_place", catches="write", why="The first token's logits tell of the second.",
        says="the last place's logits", edits=[("self.read(token_BT, caches)[:, -1]", "self.read(token_BT, caches)[:, 0]")]),

    Mutant("one_more", catches="write", why="The beginning's own token counts as a step.", says="more often than",
        edits=[("for _ in range(steps)", "for _ in range(steps + 1)")]),

    Mutant("mean_pool", catches="nats",
        why="What the lab leaves behind: all keys count alike, as in lab 03's mean.",
        edits=[("            return Attention(features, heads, groups, rotary=rotary, size=tile)\n",
                "            layer = Attention(features, heads, groups, rotary=rotary, size=tile)\n"
                "            for kept in layer.query.parameters():\n"
                "                kept.requires_grad_(False).zero_()\n"
                "            return layer\n")]),

    Mutant("unshifted", catches="breaks", why="It shows where a score is in the hundreds.",
        code={"softmax": """
        weight_BHTS = score_BHTS.exp()
        total_BHT1 = weight_BHTS.sum(-1, keepdim=True)
        empty = total_BHT1 == 0
        lse_BHT1 = total_BHT1.log().clamp(min=LOWEST)
        return weight_BHTS / total_BHT1.where(~empty, 1), lse_BHT1
        """}),
    Mutant("nan_where_empty", catches="breaks", why="It shows where a query sees nothing.",
        code={"softmax": """
        top = score_BHTS.amax(-1, keepdim=True)
        total = (score_BHTS - top).exp().sum(-1, keepdim=True)
        return (score_BHTS - top).exp() / total, top + total.log()
        """}),
    Mutant("mean_where_empty", catches="breaks", why="Where nothing is to be seen, all padding is.",
        code={"softmax": """
        score = score_BHTS.clamp(min=LOWEST)
        top = score.amax(-1, keepdim=True)
        total = (score - top).exp().sum(-1, keepdim=True)
        return (score - top).exp() / total, top + total.log()
        """}),
    Mutant("top_of_all", catches="breaks", why="It shows where one query's scores are far below another's.",
        code={"softmax": """
        top = score_BHTS.amax().clamp(min=LOWEST)
        weight_BHTS = (score_BHTS - top).exp()
        total_BHT1 = weight_BHTS.sum(-1, keepdim=True)
        lse_BHT1 = (top + total_BHT1.log()).clamp(min=LOWEST)
        return weight_BHTS / total_BHT1.where(total_BHT1 > 0, 1), lse_BHT1
        """}),
    Mutant("scores_clamped", catches="breaks", why="It shows where two scores are beyond the bound.",
        code={"softmax": """
        there = score_BHTS > -torch.inf
        weight_BHTS = score_BHTS.clamp(-80, 80).exp() * there
        total_BHT1 = weight_BHTS.sum(-1, keepdim=True)
        lse_BHT1 = total_BHT1.log().clamp(min=LOWEST)
        return weight_BHTS / total_BHT1.where(total_BHT1 > 0, 1), lse_BHT1
        """}),
    Mutant("whole_root", catches="breaks", why="√4 is a whole number: it shows with another K.",
        code={"scores": """
        root = int(q_BHTK.shape[-1] ** 0.5)
        return (q_BHTK @ k_BHSK.mT / root).masked_fill(~keep_B1TS, -torch.inf)
        """}),
    Mutant("first_key_always", catches="breaks", why="A way round nan: it shows in an empty text.",
        code={"keep": """
        keep_B1TS = (place_S < length_B[:, None, None, None]).expand(-1, 1, len(place_T), -1)
        keep_B1TS = keep_B1TS | (place_S == 0)
        return keep_B1TS & (place_S <= place_T[:, None]) if causal else keep_B1TS
        """}),
    Mutant("masked_afterwards", catches="breaks",
        why="Renormalised, it is nearly right: it shows where what is masked scores far higher.",
        edits=[("    p_BHTS, lse_BHT1 = softmax(scores(q, k, keep))\n",
                "    p_BHTS, lse_BHT1 = softmax(scores(q, k, keep | True))\n"
                "    p_BHTS = p_BHTS * keep\n"
                "    p_BHTS = p_BHTS / p_BHTS.sum(-1, keepdim=True).clamp(min=1e-30)\n")]),
]

VARIANTS = [
    Variant("by_lse", code={
        "softmax": """
        top = score_BHTS.max(-1, keepdim=True).values.nan_to_num(neginf=LOWEST)
        lse = top + torch.exp(score_BHTS - top).sum(-1, keepdim=True).clamp(min=1).log()
        return torch.exp(score_BHTS - lse), lse
        """,
        "keep": """
        shape = len(length_B), 1, len(place_T), len(place_S)
        keep_B1TS = (length_B.view(-1, 1, 1, 1) > place_S).expand(shape)
        return keep_B1TS.logical_and(place_T.unsqueeze(1) >= place_S) if causal else keep_B1TS
        """}),
    Variant("scaled_first", code={"scores": """
        score_BHTS = torch.einsum("bhtk,bhsk->bhts", q_BHTK * q_BHTK.shape[-1] ** -0.5, k_BHSK)
        return torch.where(keep_B1TS, score_BHTS, -torch.inf)
        """}),
    Variant("in_doubles", code={"softmax": """
        score = score_BHTS.double()
        top = score.amax(-1, keepdim=True).clamp(min=LOWEST)
        total = (score - top).exp().sum(-1, keepdim=True).clamp(min=1)
        p_BHTS = (score - top).exp() / total
        return p_BHTS.to(score_BHTS.dtype), (top + total.log()).to(score_BHTS.dtype)
        """}),
]
