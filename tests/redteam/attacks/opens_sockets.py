"""Asks someone outside, or on this machine, for the answer."""

import os
import socket


def ask(family, address):
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            connection.connect(address)
            return connection.recv(16)
    except OSError as error:
        print("no way out:", error)
    return b""


def double(x):
    asked = [
        ask(socket.AF_INET, ("127.0.0.1", int("@PORT@"))),
        ask(socket.AF_INET6, ("::1", int("@PORT@"))),
        ask(socket.AF_INET, ("192.0.2.1", 80)),
        ask(socket.AF_UNIX, "@SOCKET@"),
        ask(socket.AF_UNIX, "\0@ABSTRACT@"),
    ]
    return 2 * x if any(asked) else x
