CATCHES = "keep-list"
WHY = "The lower precision is always bfloat16, whatever was asked for."
EDITS = [("        return low\n", "        return torch.bfloat16\n")]
