CATCHES = "unscale"
WHY = "Gradients are multiplied by the scale a second time."
EDITS = [("gradient.div_(self.scale)", "gradient.mul_(self.scale)")]
