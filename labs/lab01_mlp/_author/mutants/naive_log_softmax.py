CATCHES = "log-softmax"
WHY = "exp overflows from 89 on: one large logit and the loss is nan."
EDITS = [("logits_BC - logits_BC.amax(dim=1, keepdim=True)", "logits_BC")]
