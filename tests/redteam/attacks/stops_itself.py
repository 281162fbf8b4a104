"""Stops its own process, deaf to whatever can be ignored."""

import os
import signal
import time

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
    signal.signal(number, signal.SIG_IGN)


def double(x):
    while True:
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(60)
