"""Distances between points, without a loop."""


def distances(one_AD, other_BD):
    # BEGIN SOLUTION distances: return the distance of each point from each other one, [A, B].
    return (one_AD[:, None] - other_BD[None]).square().sum(dim=2).sqrt()
    # END SOLUTION
