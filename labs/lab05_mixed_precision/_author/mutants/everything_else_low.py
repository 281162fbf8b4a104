CATCHES = "keep-list"
WHY = "Whatever is not on the list is cast down, also what must not lose precision."
EDITS = [
    (
        '| {"cross_entropy", "nll_loss", "mse_loss"} else None',
        '| {"cross_entropy", "nll_loss", "mse_loss"} else low',
    ),
]
