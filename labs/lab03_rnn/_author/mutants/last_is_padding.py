CATCHES = "last-valid"
WHY = "The hidden state is read at the padding."
EDITS = [
    (
        "return y_BTH[torch.arange(len(y_BTH), device=y_BTH.device), length_B - 1]",
        "return y_BTH[:, -1]",
    )
]
