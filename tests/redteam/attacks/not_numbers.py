"""Numbers that are larger than everything, or not comparable with anything."""


def double(x):
    return x * float("nan")


def predict(self, batch):
    return torch.full((len(batch["lengths"]), 2), float("inf"))


Model.predict = predict
