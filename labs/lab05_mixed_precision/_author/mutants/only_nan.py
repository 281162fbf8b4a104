CATCHES = "unscale"
WHY = "Only nan is looked for: an inf goes through."
EDITS = [("gradient.isfinite().all()) for", "not gradient.isnan().any()) for")]
