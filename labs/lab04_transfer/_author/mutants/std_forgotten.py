CATCHES = "preprocess"
WHY = "The mean is taken off, but nothing is divided."
EDITS = [(" / std_3[:, None, None]", "")]
