CATCHES = "lstm-cell"
WHY = "Gates read as i, f, o, g, as some libraries lay them out."
EDITS = [("i_BH, f_BH, g_BH, o_BH = gates", "i_BH, f_BH, o_BH, g_BH = gates")]
