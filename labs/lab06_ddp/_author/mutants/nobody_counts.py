CATCHES = "uneven"
WHY = "The other ranks' items are not counted."
EDITS = [("    dist.all_reduce(count)\n    return", "    return")]
