CATCHES = "series-statistics"
WHY = "The zeros that pad a series count as data."
EDITS = [("x_BTD[valid_steps(length_B, x_BTD.shape[1])]", "x_BTD.flatten(0, 1)")]
