CATCHES = "ready"
WHY = (
    "Buckets wait until the last gradient of all has come: communication begins when it could end."
)
EDITS = [
    (
        "        if self.missing[number] == 0:\n            self.launch(number)",
        (
            "        if not any(self.missing):\n"
            "            for late in range(len(self.buckets)):\n"
            "                self.launch(late)"
        ),
    ),
]
