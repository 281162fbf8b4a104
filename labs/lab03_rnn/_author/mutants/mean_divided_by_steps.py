CATCHES = "masked-mean"
WHY = "The sum is masked, its divisor is not."
EDITS = [(".sum(dim=1) / length_B[:, None]", ".sum(dim=1) / y_BTH.shape[1]")]
