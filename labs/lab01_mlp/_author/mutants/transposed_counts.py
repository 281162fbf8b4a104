CATCHES = "confusion-matrix"
WHY = "Rows and columns swapped: precision is taken for recall."
EDITS = [
    ("label_B * classes + logits_BC.argmax(dim=1)", "logits_BC.argmax(dim=1) * classes + label_B"),
]
