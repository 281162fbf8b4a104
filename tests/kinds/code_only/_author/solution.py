"""Code alone: no model, no data, no arms."""


class Value:
    """A number that remembers what it was made of."""

    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0

    def __mul__(self, other):
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def backward(self):
        # BEGIN SOLUTION backward: add each path's share to every ancestor's grad.
        stack = [(self, 1.0)]
        while stack:
            node, upstream = stack.pop()
            node.grad += upstream
            stack += [(parent, upstream * local) for parent, local in node.parents]
        # END SOLUTION
