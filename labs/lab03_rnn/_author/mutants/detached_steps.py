CATCHES = "lstm-gradients"
WHY = "Each step forgets how its state came about."
EDITS = [
    (
        "self.weight_hh_l0.T), c_BH)\n",
        "self.weight_hh_l0.T), c_BH.detach())\n",
    )
]
