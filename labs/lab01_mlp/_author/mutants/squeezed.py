CATCHES = "alone"
WHY = "squeeze() also drops the batch dimension of a batch of one."
EDITS = [("return self.net(x_BF)", "return self.net(x_BF).squeeze()")]
