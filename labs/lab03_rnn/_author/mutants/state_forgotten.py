CATCHES = "lstm-loop"
WHY = "The given state is ignored."
EDITS = [("if state is None:", "if True:")]
