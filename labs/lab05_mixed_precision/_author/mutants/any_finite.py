CATCHES = "unscale"
WHY = "One finite number is taken for all of them."
EDITS = [("gradient.isfinite().all()) for", "gradient.isfinite().any()) for")]
