CATCHES = "lstm-loop"
WHY = "The recurrent bias is left out."
EDITS = [("self.bias_ih_l0 + self.bias_hh_l0)", "self.bias_ih_l0)")]
