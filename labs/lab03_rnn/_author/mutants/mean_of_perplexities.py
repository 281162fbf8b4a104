CATCHES = "perplexity"
WHY = "The mean of the chunks' perplexities is larger than the text's."
EDITS = [
    (
        "((nats_N * tokens_N).sum() / tokens_N.sum()).exp()",
        "(nats_N.exp() * tokens_N).sum() / tokens_N.sum()",
    )
]
