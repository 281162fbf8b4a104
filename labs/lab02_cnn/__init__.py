"""Lab 02: a convolutional network with residual blocks."""
