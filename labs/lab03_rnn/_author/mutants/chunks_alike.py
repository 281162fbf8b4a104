CATCHES = "perplexity"
WHY = "A short chunk counts as much as a long one."
EDITS = [("((nats_N * tokens_N).sum() / tokens_N.sum()).exp()", "nats_N.mean().exp()")]
