"""Takes whatever the config says, and the config says a lot."""


class Model(Model):
    def __init__(self, *, scale=1.0, size=0, **rest):
        super().__init__(scale)
        self.kept = torch.ones(int(size))
