CATCHES = "two-epochs"
WHY = "The features are detached, as one may in a pure probe: the thawed stages never learn."
EDITS = [
    (
        (
            "        return self.head(self.backbone(preprocess(image_BCHW, self.size, "
            "self.mean, self.std)))"
        ),
        (
            "        features_BF = self.backbone(preprocess(image_BCHW, self.size, "
            "self.mean, self.std))\n"
            "        return self.head(features_BF.detach())"
        ),
    ),
]
