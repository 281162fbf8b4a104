CATCHES = "shortcut"
WHY = "The projection lacks its batch norm."
EDITS = [
    (
        "nn.Sequential(conv(fan_in, fan_out, 1, stride), BatchNorm2d(fan_out))",
        "conv(fan_in, fan_out, 1, stride)",
    ),
]
