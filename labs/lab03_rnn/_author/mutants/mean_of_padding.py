CATCHES = "masked-mean"
WHY = "No mask in the mean."
EDITS = [
    ("return y_BTH.where(valid_BT1, 0).sum(dim=1) / length_B[:, None]", "return y_BTH.mean(dim=1)")
]
