CATCHES = "saturated"
WHY = "tanh from exponentials overflows."
EDITS = [
    (
        "o_BH.sigmoid() * c_BH.tanh()",
        "o_BH.sigmoid() * ((2 * c_BH).exp() - 1) / ((2 * c_BH).exp() + 1)",
    )
]
