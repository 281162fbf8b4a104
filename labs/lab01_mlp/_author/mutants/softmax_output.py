CATCHES = "forward"
WHY = "softmax inside the model: the loss takes it a second time."
EDITS = [("return self.net(x_BF)", "return self.net(x_BF).softmax(dim=1)")]
