CATCHES = "distance"
WHY = "Both optimisers are given the critic, so that the generator never moves."
EDITS = [("torch.optim.SGD([self.shift], lr=self.lr)", "torch.optim.SGD(self.critic.parameters())")]
