CATCHES = "embedding"
WHY = "Padding is a word like any other."
EDITS = [
    ("nn.Embedding(vocabulary, features, padding_idx=0)", "nn.Embedding(vocabulary, features)")
]
