import torch

from dllab.checks import check


def captions(rng):
    return {
        "words": torch.randn(4, 6, 3, generator=rng),
        "lengths": torch.tensor([1, 3, 6, 2])[torch.randperm(4, generator=rng)],
    }


@check(
    "mean-word",
    "The mean word",
    given=captions,
    expect=lambda g: torch.stack(
        [words[:n].mean(0) for words, n in zip(g["words"], g["lengths"].tolist(), strict=True)]
    ),
    mistakes={"padding is averaged as well": lambda g: g["words"].mean(1)},
)
def mean_word(lab, given):
    """`mean_word` is the mean of a caption's own words."""
    return lab.mean_word(given["words"], given["lengths"])
