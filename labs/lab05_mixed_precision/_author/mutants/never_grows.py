CATCHES = "update"
WHY = "The scale only ever falls: after a few unlucky steps small gradients are lost again."
EDITS = [("            self.scale *= self.growth\n", "")]
