CATCHES = "nats"
WHY = "Bits, not nats."
EDITS = [("token_BT.flatten())", "token_BT.flatten()) / 0.6931472")]
