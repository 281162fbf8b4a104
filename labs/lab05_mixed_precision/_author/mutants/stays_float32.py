CATCHES = "keep-list"
WHY = "Matrix products are kept in float32: mixed precision by name only."
EDITS = [("        return low\n", "        return torch.float32\n")]
