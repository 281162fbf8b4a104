CATCHES = "shortcut"
WHY = "A 1 x 1 convolution where the identity would do: the gradient's straight way is gone."
EDITS = [("if stride != 1 or fan_in != fan_out:", "if True:")]
