CATCHES = "he-init"
WHY = "Xavier's variance, 1 / fan_in, halves the signal in every ReLU layer."
EDITS = [("(2 / fan_in) ** 0.5", "(1 / fan_in) ** 0.5")]
