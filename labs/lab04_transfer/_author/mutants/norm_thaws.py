CATCHES = "frozen-norm"
WHY = "Frozen batch norm keeps updating: the frozen features change with every batch."
EDITS = [("                stage.eval()", "                stage.train(mode)")]
