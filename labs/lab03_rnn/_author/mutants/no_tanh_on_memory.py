CATCHES = "lstm-cell"
WHY = "The output gate opens on the raw memory."
EDITS = [("return o_BH.sigmoid() * c_BH.tanh(), c_BH", "return o_BH.sigmoid() * c_BH, c_BH")]
