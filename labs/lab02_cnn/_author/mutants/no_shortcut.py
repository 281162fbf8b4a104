CATCHES = "residual"
WHY = "The shortcut is built and never added: a plain network."
EDITS = [("F.relu(y_BCHW + self.shortcut(x_BCHW))", "F.relu(y_BCHW)")]
