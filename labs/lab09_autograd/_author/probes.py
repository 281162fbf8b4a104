"""The half of lab 09's hidden check that enters the sandbox."""

from types import ModuleType

from dllab.checks import Arrays, Given
from labs.lab09_autograd.checks import DRAWN, array, by_leaf, drawn_program, leaves


def twice(lab: ModuleType, given: Given) -> Arrays:
    """Differentiate the size of a drawn graph's gradients."""
    inputs = leaves(lab, given, list(DRAWN))
    first = lab.grad(drawn_program(given, *inputs), inputs, create_graph=True)
    size = sum((slope * slope).sum() for slope in first)
    found = lab.grad(size, inputs)
    return by_leaf([array(lab, x) for x in found])
