CATCHES = "clip"
WHY = "Values are clipped, not the norm."
EDITS = [("gradient.mul_(scale)", "gradient.clamp_(-max_norm, max_norm)")]
