"""What a multilayer perceptron costs, before it is built."""

from itertools import pairwise


def parameters(widths):
    """The number of weights and biases of linear layers from widths[0] over all others."""
    # BEGIN SOLUTION parameters: return the number of parameters, an int.
    # Each layer has a weight for each pair of an input and an output, and a bias for each output.
    return sum((before + 1) * after for before, after in pairwise(widths))
    # END SOLUTION
