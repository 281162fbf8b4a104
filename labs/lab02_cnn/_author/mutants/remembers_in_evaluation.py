CATCHES = "eval-mode"
WHY = "Evaluation moves the running averages: the test data seep into the model."
EDITS = [
    (
        (
            "        mean_C, var_C = self.running_mean, self.running_var\n"
            "        if self.training:\n"
            "            mean_C, var_C = self.batch_statistics(x_BCHW)\n"
            "            self.remember(mean_C, var_C, x_BCHW.numel() // len(mean_C))\n"
        ),
        (
            "        mean_C, var_C = self.running_mean.clone(), self.running_var.clone()\n"
            "        batch = self.batch_statistics(x_BCHW)\n"
            "        if self.training:\n"
            "            mean_C, var_C = batch\n"
            "        self.remember(*batch, x_BCHW.numel() // len(mean_C))\n"
        ),
    ),
]
