"""Sends bytes that are no reply: numbers that are none, a length beyond all bounds, endless JSON."""

import os
import struct

BAD = (
    b'{"nonce": "", "sizes": [Infinity]}',
    b'{"nonce": "", "sizes": [-1, 1e999]}',
    b"[" * 100_000,
    b'{"sizes": [' + b"9" * 5000 + b"]}",
)
calls = 0


def say(data):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass


def double(x):
    header = BAD[0]
    say(struct.pack(">IQ", len(header), 0) + header)
    return x


def predict(self, batch):
    say(struct.pack(">IQ", 10, 1 << 60))
    return torch.zeros(len(batch["lengths"]), 2)


Model.predict = predict
