"""A port on which nothing listens, for servers that a test starts."""

import contextlib
import random
import socket

LOW, HIGH = 20_000, 32_768  # above those of Ray's workers, below those that Linux gives to whoever names none


def free_port() -> int:
    """Return a free port of this machine that no other process takes by chance before it is used."""
    draw = random.SystemRandom()  # tests seed the other one
    while True:
        port = draw.randrange(LOW, HIGH)
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
