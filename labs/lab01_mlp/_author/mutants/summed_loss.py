CATCHES = "cross-entropy"
WHY = "The sum instead of the mean: the learning rate grows with the batch."
EDITS = [("return -log_p_B.mean()", "return -log_p_B.sum()")]
