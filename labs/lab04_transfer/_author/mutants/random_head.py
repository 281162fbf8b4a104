CATCHES = "head"
WHY = "The head begins at random: its first gradients carry noise into the backbone."
EDITS = [("        nn.init.zeros_(self.head.weight)\n", "")]
