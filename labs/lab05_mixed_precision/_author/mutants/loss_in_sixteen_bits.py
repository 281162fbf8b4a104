CATCHES = "keep-list"
WHY = "The loss computes in 16 bits: small differences of the logits vanish."
EDITS = [('kept | {"cross_entropy", "nll_loss", "mse_loss"}', "kept")]
