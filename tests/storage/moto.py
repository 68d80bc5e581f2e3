"""An S3 server of our own, moto's, in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.ports import free_port


@contextmanager
def moto(log: Path) -> Iterator[int]:
    """Start the server, yield its port once it answers, and end it; it writes its requests to `log`."""
    port = free_port()
    with log.open("w") as out:
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        for _ in range(1200):
            try:
                urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
                break
            except (URLError, ConnectionError):
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()
