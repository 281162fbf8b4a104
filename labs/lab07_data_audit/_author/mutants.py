"""Mistakes that learners make, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("gaps_are_impossible", catches="profile",
        why="What is not inside the bounds is not yet outside: every comparison with nan is false.",
        says="a missing number is not impossible",
        edits=[("(table_NF < low_F) | (table_NF > high_F)",
                "~((table_NF >= low_F) & (table_NF <= high_F))")]),
    Mutant("open_bounds", catches="profile",
        why="An age of exactly 99 is thrown away.",
        says="the bounds themselves are possible",
        edits=[("(table_NF < low_F) | (table_NF > high_F)",
                "(table_NF <= low_F) | (table_NF >= high_F)")]),
    Mutant("one_sided", catches="profile",
        why="Only what is too small is looked for; 999 is a common code for a gap.",
        says="numbers above `high`",
        edits=[("(table_NF < low_F) | (table_NF > high_F)", "table_NF < low_F")]),
    Mutant("equals_nan", catches="profile",
        why="nan equals nothing, not even nan.",
        says="use isnan",
        edits=[("    missing_NF = table_NF.isnan()", "    missing_NF = table_NF == torch.nan")]),
    Mutant("statistics_of_everything", catches="profile",
        why="One customer of 999 years, and the largest age means nothing.",
        says="still counts the impossible numbers",
        edits=[("sound_NF.nanquantile", "table_NF.nanquantile")]),
    Mutant("mean_for_median", catches="profile",
        why="The mean is not what was asked for, and outliers move it.",
        says="not the mean",
        edits=[('"sound": sound_NF.nanquantile(third_3, dim=0)',
                '"sound": sound_NF.nanquantile(third_3, dim=0).index_copy(\n'
                "            0, torch.tensor([1]), sound_NF.nanmean(dim=0)[None]\n"
                "        )")]),

    Mutant("imputed_before_the_split", catches="impute",
        why="The median is of all rows: test rows leak into what the training sees.",
        says="impute after the split",
        edits=[("train_NF.nanmedian(dim=0)", "torch.cat([train_NF, new_MF]).nanmedian(dim=0)")]),
    Mutant("own_median", catches="impute",
        why="New rows are filled by themselves: a single new row could not be filled at all.",
        says="must not be looked at",
        edits=[("train_NF.nanmedian(dim=0)", "new_MF.nanmedian(dim=0)")]),
    Mutant("filled_by_mean", catches="impute",
        why="A few extreme rows move the mean.",
        says="this is the training mean",
        edits=[("train_NF.nanmedian(dim=0).values", "train_NF.nanmean(dim=0)")]),
    Mutant("filled_by_zero", catches="impute",
        why="0 is a value like any other: an age, a rating.",
        says="filled with 0",
        edits=[("torch.where(missing_MF, median_F, new_MF)", "new_MF.nan_to_num(0.0)")]),
    Mutant("one_median", catches="impute",
        why="dim=0 is forgotten, and ages are filled with votes.",
        says="one median fills all columns",
        edits=[("train_NF.nanmedian(dim=0).values", "train_NF.nanmedian()")]),
    Mutant("unmarked", catches="impute",
        why="Nobody can tell any more what was filled.",
        says="mark what was filled",
        edits=[("return torch.cat([filled_MF, missing_MF.float()], dim=1)", "return filled_MF")]),
    Mutant("marked_too_late", catches="impute",
        why="The gaps are filled in place, and the marks made behind that.",
        says="made after the gaps are filled",
        code={"impute": """
            median_F = train_NF.nanmedian(dim=0).values
            filled_MF = torch.where(new_MF.isnan(), median_F, new_MF)
            return torch.cat([filled_MF, filled_MF.isnan().float()], dim=1)
        """}),
    Mutant("filled_in_place", catches="impute",
        why="The caller's own table changes under their hands.",
        says="fill a copy",
        edits=[("    filled_MF = torch.where(missing_MF, median_F, new_MF)",
                "    filled_MF = new_MF.copy_(torch.where(missing_MF, median_F, new_MF))")]),

    Mutant("split_at_commas", catches="read-labels",
        why="A quoted name may hold a comma.",
        says="is not in list",
        code={"read-labels": """
            about = json.loads(json_text)
            head, *lines = [line.split(",") for line in csv_text.splitlines()]
            at, name = head.index(about["id"]), head.index(about["label"])
            return [(int(line[at]), about["classes"].index(line[name])) for line in lines]
        """}),
    Mutant("fixed_columns", catches="read-labels",
        why="The columns stand where they stood in the last file.",
        code={"read-labels": """
            about = json.loads(json_text)
            lines = list(csv.reader(io.StringIO(csv_text)))[1:]
            return [(int(line[0]), about["classes"].index(line[1])) for line in lines]
        """}),
    Mutant("classes_by_alphabet", catches="read-labels",
        why="Sorted names get other numbers than those the model was trained with.",
        says="numbered by the alphabet",
        edits=[('about["classes"].index(', 'sorted(about["classes"]).index(')]),
    Mutant("classes_as_they_occur", catches="read-labels",
        why="The numbers depend on the order of the lines.",
        says="numbered as they occur",
        code={"read-labels": """
            about, known = json.loads(json_text), {}
            lines = csv.DictReader(io.StringIO(csv_text))
            return [
                (int(line[about["id"]]), known.setdefault(line[about["label"]], len(known)))
                for line in lines
            ]
        """}),
    Mutant("ids_as_text", catches="read-labels",
        why="CSV knows no numbers: '17' finds no item called 17.",
        says="two ints",
        edits=[('(int(line[about["id"]]), ', '(line[about["id"]], ')]),
    Mutant("header_dropped_twice", catches="read-labels",
        why="DictReader has taken the header already.",
        says="one line is missing",
        edits=[("    lines = csv.DictReader(io.StringIO(csv_text))\n",
                "    lines = list(csv.DictReader(io.StringIO(csv_text)))[1:]\n")]),

    Mutant("order_of_the_table", catches="join-labels",
        why="Labels are taken as they come: right only while both files are sorted alike.",
        says="in the table's order",
        edits=[("torch.tensor([class_of[id] for id in item_ids])",
                "torch.tensor([label for _, label in labels])")]),
    Mutant("order_of_the_ids", catches="join-labels",
        why="The labels are sorted by id, the pictures are not.",
        says="in the order of the ids",
        edits=[("[class_of[id] for id in item_ids]", "[class_of[id] for id in sorted(item_ids)]")]),
    Mutant("double_last_wins", catches="label-faults",
        why="dict() keeps the last of two lines without a word.",
        says="double ids alone",
        edits=[("if missing or double or unknown:", "if missing or unknown:")]),
    Mutant("unknown_allowed", catches="label-faults",
        why="Labels of no item are a sign that files do not belong together.",
        says="unknown ids alone",
        edits=[("if missing or double or unknown:", "if missing or double:")]),
    Mutant("missing_as_key_error", catches="label-faults",
        why="The first missing id ends in a KeyError, the others stay unknown.",
        says="missing ids alone",
        edits=[("if missing or double or unknown:", "if double or unknown:")]),
    Mutant("all_at_once_or_nothing", catches="label-faults",
        why="Only labels with all three faults are refused.",
        says="any one must",
        edits=[("if missing or double or unknown:", "if missing and double and unknown:")]),
    Mutant("swapped_differences", catches="label-faults",
        why="The difference of two sets has a direction.",
        says="missing and unknown are swapped",
        edits=[("missing, unknown = set(item_ids) - set(ids), set(ids) - set(item_ids)",
                "unknown, missing = set(item_ids) - set(ids), set(ids) - set(item_ids)")]),
    Mutant("double_if_they_differ", catches="label-faults",
        why="Two lines that say the same are double, too.",
        says="even if both say the same",
        edits=[("    double = {id for id, lines in Counter(ids).items() if lines > 1}",
                "    double = {id for id, n in Counter(id for id, _ in set(labels)).items() if n > 1}")]),

    Mutant("hash_of_the_tensor", catches="exact-copies",
        why="A tensor's own hash is its address: no two are equal.",
        says="the digest of the row's bytes",
        edits=[("hashlib.sha256(row.numpy().tobytes()).digest()", "str(hash(row)).encode()")]),
    Mutant("last_copy", catches="exact-copies",
        why="The dict remembers the row that came last.",
        says="name the first",
        code={"exact-copies": """
            digests = [hashlib.sha256(row.numpy().tobytes()).digest() for row in items]
            last = {digest: i for i, digest in enumerate(digests)}
            return torch.tensor([last[digest] for digest in digests])
        """}),
    Mutant("copy_of_a_copy", catches="exact-copies",
        why="The dict is overwritten at each copy, so a third points at the second.",
        says="a copy of a copy",
        code={"exact-copies": """
            seen, result = {}, []
            for i, row in enumerate(items):
                digest = hashlib.sha256(row.numpy().tobytes()).digest()
                result.append(seen.get(digest, i))
                seen[digest] = i
            return torch.tensor(result)
        """}),
    Mutant("equal_sums", catches="exact-copies",
        why="A checksum that adds numbers up does not see their order.",
        says="in another order",
        edits=[("hashlib.sha256(row.numpy().tobytes()).digest()", "str(row.sum()).encode()")]),

    Mutant("grey_middle", catches="block-hash",
        why="A dark picture has no bit at all, so brightness decides.",
        says="not with 127.5",
        edits=[("mean_NB > mean_NB.mean(dim=1, keepdim=True)", "mean_NB > 127.5")]),
    Mutant("mean_of_all_pictures", catches="block-hash",
        why="A picture's hash changes with those beside it.",
        says="not with that of all pictures",
        edits=[("mean_NB.mean(dim=1, keepdim=True)", "mean_NB.mean()")]),
    Mutant("median_of_blocks", catches="block-hash",
        why="Another hash than the one that was asked for.",
        says="not with the median",
        edits=[("mean_NB.mean(dim=1, keepdim=True)",
                "mean_NB.median(dim=1, keepdim=True).values")]),
    Mutant("largest_pixel", catches="block-hash",
        why="One noisy pixel decides about a block.",
        says="largest pixels",
        edits=[("F.avg_pool2d", "F.max_pool2d")]),
    Mutant("bits_of_pixels", catches="block-hash",
        why="Without the blocks noise turns bits over.",
        says="a bit is a block",
        edits=[("F.avg_pool2d(image_NCHW.float(), block)", "image_NCHW.float()")]),

    Mutant("blocks_of_four", catches="block-hash",
        why="The parameter is there and unused.",
        says="`block` is a parameter",
        edits=[("F.avg_pool2d(image_NCHW.float(), block)", "F.avg_pool2d(image_NCHW.float(), 4)")]),

    Mutant("hash_alone", catches="near-pictures",
        why="Many pictures share a hash of few bits.",
        says="the hash only proposes",
        edits=[("return pair_P2[correlation_P >= least]", "return pair_P2")]),
    Mutant("pixels_alone", catches="near-pictures",
        why="All pairs are compared: the hash saves nothing.",
        says="more than `most` bits",
        edits=[("(bits_NN <= most)", "(bits_NN >= 0)")]),
    Mutant("fewer_than_most", catches="near-pictures",
        why="`most` bits are allowed.",
        says="exactly `most` bits",
        edits=[("(bits_NN <= most)", "(bits_NN < most)")]),
    Mutant("brightness_counts", catches="near-pictures",
        why="The cosine of raw pixels is high for any two pictures.",
        says="brightness still counts",
        edits=[("F.normalize(x_NF - x_NF.mean(dim=1, keepdim=True), dim=1)",
                "F.normalize(x_NF, dim=1)")]),
    Mutant("contrast_counts", catches="near-pictures",
        why="Without the lengths this is a covariance, in squared grey levels.",
        says="contrast still counts",
        edits=[("F.normalize(x_NF - x_NF.mean(dim=1, keepdim=True), dim=1)",
                "x_NF - x_NF.mean(dim=1, keepdim=True)")]),
    Mutant("negatives", catches="near-pictures",
        why="A negative is not a copy.",
        says="opposite pictures",
        edits=[("[correlation_P >= least]", "[correlation_P.abs() >= least]")]),
    Mutant("both_ways", catches="near-pictures",
        why="Every pair is there twice, and every row with itself.",
        says="i < j",
        edits=[(".triu(diagonal=1).nonzero()", ".nonzero()")]),
    Mutant("with_itself", catches="near-pictures",
        why="Every picture is its own copy.",
        says="i < j",
        edits=[(".triu(diagonal=1).nonzero()", ".triu().nonzero()")]),
    Mutant("one_mean_for_all", catches="near-pictures",
        why="The mean of all pictures is not a picture's own.",
        says="each has its own",
        edits=[("x_NF - x_NF.mean(dim=1, keepdim=True)", "x_NF - x_NF.mean()")]),

    Mutant("no_remainder", catches="minhash",
        why="Without the remainder every function orders the set alike: one number signs for all.",
        says="the remainder by PRIME is missing",
        edits=[(" + b_H[:, None]) % PRIME", " + b_H[:, None])")]),
    Mutant("remainder_too_early", catches="minhash",
        why="A missing bracket.",
        says="it is of the whole sum",
        edits=[("(a_H[:, None] * shingle_S + b_H[:, None]) % PRIME",
                "a_H[:, None] * shingle_S % PRIME + b_H[:, None]")]),
    Mutant("maxhash", catches="minhash",
        why="As good a signature, and another one than everybody else's.",
        says="the largest value",
        edits=[("return hash_HS.amin(dim=1)", "return hash_HS.amax(dim=1)")]),
    Mutant("argmin", catches="minhash",
        why="A place in a set means nothing.",
        says="where the smallest value stands",
        edits=[("return hash_HS.amin(dim=1)", "return hash_HS.argmin(dim=1)")]),
    Mutant("over_functions", catches="minhash",
        why="The minimum runs along the wrong dimension.",
        says="not over the functions",
        edits=[("return hash_HS.amin(dim=1)", "return hash_HS.amin(dim=0)")]),
    Mutant("hash_of_the_smallest", catches="minhash",
        why="The smallest number comes first under no function but the identity.",
        says="not the smallest hash",
        edits=[("a_H[:, None] * shingle_S + b_H[:, None]",
                "a_H[:, None] * shingle_S.amin(dim=0, keepdim=True) + b_H[:, None]")]),

    Mutant("band_without_number", catches="candidates",
        why="The second band of one text meets the first of another.",
        says="part of its name",
        edits=[("boxes[band, *values.tolist()]", "boxes[tuple(values.tolist())]")]),
    Mutant("single_places", catches="candidates",
        why="One equal place is a weak sign: too many candidates.",
        says="a whole band must agree",
        edits=[("signature_H.split(rows)", "signature_H.split(1)")]),
    Mutant("whole_signature", catches="candidates",
        why="Only equal sets agree in all places.",
        says="one band that agrees is enough",
        edits=[("signature_H.split(rows)", "signature_H.split(len(signature_H))")]),
    Mutant("overlapping_bands", catches="candidates",
        why="A window that slides by one place makes other bands than those agreed on.",
        says="do not overlap",
        edits=[("signature_H.split(rows)", "signature_H.unfold(0, rows, 1)")]),
    Mutant("bands_of_two", catches="candidates",
        why="The parameter is there and unused.",
        says="`rows` is a parameter",
        edits=[("signature_H.split(rows)", "signature_H.split(2)")]),
    Mutant("pairs_repeat", catches="candidates",
        why="Two texts that share two boxes are one pair.",
        says="is one pair",
        edits=[("pairs = {pair for box in boxes.values() for pair in combinations(box, 2)}",
                "pairs = [pair for box in boxes.values() for pair in combinations(box, 2)]")]),
    Mutant("first_of_the_box", catches="candidates",
        why="In a box of three, the second and the third are a pair, too.",
        says="the second and the third",
        edits=[("for pair in combinations(box, 2)", "for pair in zip([box[0]] * 9, box[1:])")]),

    Mutant("no_chain", catches="clusters",
        why="A copy of a copy is left behind under its old name.",
        says="only row j is renamed",
        code={"clusters": """
            cluster = list(range(count))
            for i, j in pair_P2.tolist():
                cluster[j] = cluster[i]
            return torch.tensor(cluster)
        """}),
    Mutant("two_rows_alone", catches="clusters",
        why="Both rows get the smaller name, and those they were linked to do not.",
        says="only rows i and j are renamed",
        code={"clusters": """
            cluster = list(range(count))
            for i, j in pair_P2.tolist():
                cluster[i] = cluster[j] = min(cluster[i], cluster[j])
            return torch.tensor(cluster)
        """}),
    Mutant("called_by_the_last", catches="clusters",
        why="The larger name wins.",
        says="not by its last",
        edits=[("old, new = max(cluster[i], cluster[j]), min(cluster[i], cluster[j])",
                "new, old = max(cluster[i], cluster[j]), min(cluster[i], cluster[j])")]),
    Mutant("numbered_anew", catches="clusters",
        why="Numbers in a row do not say which picture stands for the cluster.",
        says="use the first row's number",
        edits=[("    return torch.tensor(cluster)",
                "    return torch.tensor(cluster).unique(return_inverse=True)[1]")]),

    Mutant("not_stratified", catches="stratified-split",
        why="Chance alone gives the parts other shares of the rare classes.",
        says="of class",
        code={"stratified-split": """
            rng = torch.Generator().manual_seed(seed)
            order_N = torch.randperm(len(label_N), generator=rng)
            end_K = (len(label_N) * torch.tensor(shares).cumsum(dim=0)).round()
            return torch.bucketize(order_N, end_K, right=True)
        """}),
    Mutant("not_shuffled", catches="stratified-split",
        why="Rows often come sorted: by day, by shop, by who labelled them.",
        says="another seed gives the same parts",
        edits=[("row_M[torch.randperm(len(row_M), generator=rng)]", "row_M")]),
    Mutant("another_split_each_time", catches="stratified-split",
        why="Tomorrow's test rows are rows that today's model has trained on.",
        says="the same seed gives other parts",
        edits=[("torch.Generator().manual_seed(seed)", "torch.Generator()\n    rng.seed()")]),
    Mutant("global_seed", catches="stratified-split",
        why="Whoever draws behind the split draws the same each time.",
        says="the global generator",
        edits=[("    rng = torch.Generator().manual_seed(seed)", "    torch.manual_seed(seed)"),
               ("torch.randperm(len(row_M), generator=rng)", "torch.randperm(len(row_M))")]),
    Mutant("equal_classes", catches="stratified-split",
        why="As many rows of each class: that is balanced, not stratified.",
        says="a row is in part 3",
        edits=[("(len(row_M) * torch.tensor", "(20 * torch.tensor")]),
    Mutant("shares_not_summed", catches="stratified-split",
        why="Ends are sums of shares: 0.7, 0.85, 1.",
        edits=[("torch.tensor(shares).cumsum(dim=0)).round()", "torch.tensor(shares)).round()")]),

    Mutant("rows_in_turns", catches="grouped-folds",
        why="The same garment is in training and in validation: group leakage.",
        says="a group must stay together",
        code={"grouped-folds": "return torch.arange(len(group_N)) % folds"}),
    Mutant("number_modulo_folds", catches="grouped-folds",
        why="Folds may stay empty.",
        says="modulo the folds",
        code={"grouped-folds": "return group_N % folds"}),
    Mutant("groups_in_turns", catches="grouped-folds",
        why="The first fold gets the largest of each round.",
        says="in turns",
        code={"grouped-folds": """
            _, index_N, size_G = group_N.unique(return_inverse=True, return_counts=True)
            fold_G = torch.zeros_like(size_G)
            for turn, g in enumerate(size_G.argsort(descending=True, stable=True)):
                fold_G[g] = turn % folds
            return fold_G[index_N]
        """}),
    Mutant("smallest_first", catches="grouped-folds",
        why="The largest group comes last and spoils the balance.",
        says="the smallest groups go first",
        edits=[("size_G.argsort(descending=True, stable=True)", "size_G.argsort(stable=True)")]),
    Mutant("in_order_of_numbers", catches="grouped-folds",
        why="Any order would do for the groups, not for the balance.",
        says="in the order of their numbers",
        edits=[("for g in size_G.argsort(descending=True, stable=True):",
                "for g in torch.arange(len(size_G)):")]),

    Mutant("not_sorted", catches="time-split",
        why="Rows are cut in the order of the file.",
        says="not by time",
        code={"time-split": """
            begin_K = (len(time_N) * torch.tensor(shares).cumsum(dim=0))[:-1].round()
            return torch.bucketize(torch.arange(len(time_N)), begin_K.long(), right=True)
        """}),
    Mutant("newest_first", catches="time-split",
        why="The model learns from the future.",
        says="must not learn from the future",
        code={"time-split": """
            begin_K = (len(time_N) * torch.tensor(shares).cumsum(dim=0))[:-1].round().long()
            border_K = (-time_N).sort().values[begin_K]
            return torch.bucketize(-time_N, border_K, right=True)
        """}),
    Mutant("torn_day", catches="time-split",
        why="Half a day is in training, the other half in validation.",
        says="rows of one time are in two parts",
        code={"time-split": """
            begin_K = (len(time_N) * torch.tensor(shares).cumsum(dim=0))[:-1].round().long()
            rank_N = time_N.argsort(stable=True).argsort()
            return torch.bucketize(rank_N, begin_K, right=True)
        """}),
    Mutant("border_too_early", catches="time-split",
        why="bucketize puts a border into the part before it, unless told otherwise.",
        says="belong to the later part",
        edits=[("border_K, right=True)", "border_K)")]),
    Mutant("shares_of_the_time", catches="time-split",
        why="70 % of the months may hold 20 % of the rows.",
        says="not of the time",
        code={"time-split": """
            span = time_N.amax() - time_N.amin()
            border_K = time_N.amin() + span * torch.tensor(shares).cumsum(dim=0)[:-1]
            return torch.bucketize(time_N, border_K, right=True)
        """}),

    Mutant("large_groups", catches="leaks",
        why="A group of two rows in one part does not leak.",
        says="whatever their parts",
        edits=[("    pair_P2 = torch.stack([group_N, part_N], dim=1).unique(dim=0)",
                "    pair_P2 = torch.stack([group_N, part_N], dim=1)")]),
    Mutant("exactly_two_parts", catches="leaks",
        why="Three parts are worse than two.",
        says="three parts as well",
        edits=[("group_G[parts_G > 1]", "group_G[parts_G == 2]")]),
    Mutant("the_sound_ones", catches="leaks",
        why="These are the groups that do not leak.",
        says="stay in one part",
        edits=[("group_G[parts_G > 1]", "group_G[parts_G == 1]")]),
    Mutant("train_and_validation", catches="leaks",
        why="The test part is forgotten.",
        says="only groups in parts 0 and 1",
        code={"leaks": """
            both_N = torch.isin(group_N, group_N[part_N == 0])
            return group_N[both_N & (part_N == 1)].unique()
        """}),
    Mutant("rows_of_groups", catches="leaks",
        why="One name for each row, in the order of the rows.",
        says="repeat",
        edits=[("    return group_G[parts_G > 1]",
                "    return group_N[torch.isin(group_N, group_G[parts_G > 1])]")]),

    Mutant("contradictions_stay", catches="keep",
        why="One of two labels is wrong, and nobody knows which.",
        says="one stays",
        edits=[("first_N & ~torn_N & ~blank_N", "first_N & ~blank_N")]),
    Mutant("blanks_stay", catches="keep",
        why="A model learns a label from nothing.",
        says="they show nothing",
        edits=[("first_N & ~torn_N & ~blank_N", "first_N & ~torn_N")]),
    Mutant("only_black_is_blank", catches="keep",
        why="A grey picture without contrast shows nothing, either.",
        says="may be grey",
        edits=[("image_NCHW.flatten(1).amin(dim=1) == image_NCHW.flatten(1).amax(dim=1)",
                "image_NCHW.flatten(1).amax(dim=1) == 0")]),
    Mutant("copies_all_go", catches="keep",
        why="With the copies goes the picture itself.",
        says="of copies that agree none stays",
        edits=[("first_N & ~torn_N & ~blank_N",
                "(torch.bincount(cluster_N)[cluster_N] == 1) & ~torn_N & ~blank_N")]),
    Mutant("what_goes", catches="keep",
        why="The mask says what goes.",
        says="True is what stays",
        edits=[("return first_N & ~torn_N & ~blank_N", "return ~(first_N & ~torn_N & ~blank_N)")]),

    Mutant("infinite_is_missing", catches="infinite-cells",
        why="isfinite finds gaps and infinite numbers alike.",
        edits=[("    missing_NF = table_NF.isnan()", "    missing_NF = ~table_NF.isfinite()")]),
    Mutant("class_minus_one", catches="unknown-class",
        why="A typing error becomes a class of its own, or the last one of the list.",
        edits=[('about["classes"].index(line[about["label"]])',
                '{c: i for i, c in enumerate(about["classes"])}.get(line[about["label"]], -1)')]),
    Mutant("compared_as_bytes", catches="float-copies",
        why="Numbers below 1 all become 0.",
        edits=[("hashlib.sha256(row.numpy()", "hashlib.sha256(row.byte().numpy()")]),
    Mutant("no_pairs_no_shape", catches="no-candidates",
        why="A tensor of an empty list is float32 [0].",
        edits=[("torch.tensor(sorted(pairs), dtype=torch.int64).reshape(-1, 2)",
                "torch.tensor(sorted(pairs))")]),
    Mutant("two_rounds", catches="long-chain",
        why="A fixed number of rounds does for short chains.",
        code={"clusters": """
            cluster = list(range(count))
            for i, j in 3 * pair_P2.tolist():
                cluster[i] = cluster[j] = min(cluster[i], cluster[j])
            return torch.tensor(cluster)
        """}),
    Mutant("rounded_down", catches="rare-class",
        why="The rows that no part gets stay in part 0, or a rare class is missing from one.",
        edits=[("torch.tensor(shares).cumsum(dim=0)).round()",
                "torch.tensor(shares)).floor().cumsum(dim=0)")]),
    Mutant("equal_folds_at_any_price", catches="large-group",
        why="A group larger than a fold is cut.",
        edits=[("    return fold_G[index_N]",
                "    fold_N = fold_G[index_N]\n"
                "    most = -(-len(fold_N) // folds) + 1\n"
                "    for k in range(folds):\n"
                "        fold_N[(fold_N == k).nonzero()[most:, 0]] = (k + 1) % folds\n"
                "    return fold_N")]),

    Mutant("gaps_alone", catches="cells",
        why="Only gaps are looked for: ages of 100 and ratings of 6 stay.",
        edits=[("(table_NF < low_F) | (table_NF > high_F)", "torch.zeros_like(missing_NF)")]),
    Mutant("equal_pictures_alone", catches="pictures",
        why="Only copies without any change are found.",
        edits=[("[correlation_P >= least]", "[correlation_P >= 0.999999]")]),
    Mutant("equal_signatures_alone", catches="texts",
        why="One word changed, and the whole signature differs.",
        edits=[("signature_H.split(rows)", "signature_H.split(len(signature_H))")]),
    Mutant("everything_kept", catches="kept",
        why="No audit at all: the baseline.",
        code={"keep": "return torch.ones(len(label_N), dtype=torch.bool)"}),
    Mutant("one_of_contradictions_kept", catches="kept",
        why="Copies go, and every second label that stays of them is wrong.",
        edits=[("first_N & ~torn_N & ~blank_N", "first_N & ~blank_N")]),
]
