CATCHES = "pixel-statistics"
WHY = "One mean for the whole image instead of one per pixel."
EDITS = [("return x_NF.mean(dim=0), ", "return x_NF.mean().expand(x_NF.shape[1]), ")]
