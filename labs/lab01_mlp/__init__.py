"""Lab 01: a multilayer perceptron."""
