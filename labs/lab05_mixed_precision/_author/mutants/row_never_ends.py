CATCHES = "update"
WHY = "The count is not reset when the scale grows: it grows once and never again."
EDITS = [
    (
        "            self.scale *= self.growth\n            self.good_steps = 0",
        "            self.scale *= self.growth",
    ),
]
