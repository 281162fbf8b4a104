CATCHES = "reviews"
WHY = "Every item weighs the same: the frequent class wins wherever there is doubt."
EDITS = [("if self.balanced:", "if False:")]
