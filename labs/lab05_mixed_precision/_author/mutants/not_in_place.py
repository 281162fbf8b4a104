CATCHES = "unscale"
WHY = "The quotient is thrown away: gradients stay as large as they were."
EDITS = [("gradient.div_(self.scale)", "gradient.div(self.scale)")]
