CATCHES = "colour"
WHY = "Colour images become grey: the first channel is used three times."
EDITS = [("x_BCHW.expand(", "x_BCHW[:, :1].expand(")]
