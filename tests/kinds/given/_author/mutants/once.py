CATCHES = "quadruple"
WHY = "Once is not twice."
EDITS = [("double(double(x))", "double(x)")]
