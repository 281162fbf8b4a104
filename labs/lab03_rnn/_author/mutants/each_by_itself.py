CATCHES = "clip"
WHY = "Each gradient is clipped by its own norm: the step changes its direction."
EDITS = [
    ("gradient.mul_(scale)", "gradient.mul_((max_norm / (gradient.norm() + 1e-6)).clamp(max=1))")
]
