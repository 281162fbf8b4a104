CATCHES = "macro-f1-score"
WHY = "Weighted by class size, the frequent classes hide the rare ones."
EDITS = [
    (
        "    return (2 * confusion_CC.diagonal()[seen_C] / twice_C[seen_C]).mean()",
        (
            "    f1_C = 2 * confusion_CC.diagonal()[seen_C] / twice_C[seen_C]\n"
            "    share_C = confusion_CC.sum(dim=1)[seen_C] / confusion_CC.sum()\n"
            "    return (f1_C * share_C).sum()"
        ),
    ),
]
