CATCHES = "accuracy-score"
WHY = "The mean of the classes' recalls is balanced accuracy, another metric."
EDITS = [
    (
        "return confusion_CC.trace() / confusion_CC.sum()",
        "return (confusion_CC.diagonal() / confusion_CC.sum(dim=1)).mean()",
    ),
]
