"""An S3 server of our own, moto's, in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
        for _ in range(1200):  # two minutes
            assert server.poll() is None, log.read_text()[-3000:]
            try:
                urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
                break
            except OSError:  # it does not listen yet, or is slow to answer
                time.sleep(0.1)
        else:
            raise TimeoutError(f"the server did not come up: {log.read_text()[-3000:]}")
        yield port
    finally:
        server.terminate()
        server.wait()
