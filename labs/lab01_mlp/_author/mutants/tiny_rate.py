CATCHES = "accuracy"
WHY = "The rate is ten thousand times too small: the network stays with its first guess."
EDITS = [("lr=self.lr, ", "lr=self.lr * 1e-4, ")]
