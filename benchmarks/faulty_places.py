"""Where the runs of `benchmarks/faults.py` write: a folder, a file system that is too small, a store that fails.

Each place says where it is, what lies there under final names, and what goes wrong there by itself.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import fsspec

from tests.storage.faults import FaultProxy
from tests.storage.moto import moto

ROOMY = 256 * 2**20  # bytes of a file system that is large enough
STORE_SHARE = 0.1  # of all requests that fail while a store is faulty
CLIENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
TIMEOUTS = '{"config_kwargs": {"read_timeout": 1, "connect_timeout": 1}}'


def is_final(name: str) -> bool:
    """Tell a file with a final name from scratch, logs and temporary files."""
    return not any(part.startswith((".", "_")) for part in name.split("/"))


class Local:
    """A folder on this machine's disk."""

    kind = ""

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, str(path)

    def files(self) -> dict[str, bytes]:
        """Return what has its final name."""
        found = [path for path in self.path.rglob("*") if path.is_file()]
        return {n: p.read_bytes() for p in found if is_final(n := str(p.relative_to(self.path)))}

    def heal(self) -> None:
        """Mend what is wrong with the place."""

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class Small(Local):
    """A file system in memory that fills up; mended, it has room for all."""

    kind = "file system full"

    def __init__(self, path: Path, num_bytes: int) -> None:
        super().__init__(path)
        path.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={num_bytes}", "tmpfs", str(path)], check=True)

    def heal(self) -> None:
        subprocess.run(["mount", "-o", f"remount,size={ROOMY}", str(self.path)], check=True)

    def remove(self) -> None:
        subprocess.run(["umount", "-l", str(self.path)], check=True)
        super().remove()


class Store:
    """A bucket on an S3 server whose requests fail until it is mended."""

    kind = "store failing"
    path = None

    def __init__(self, url: str, proxy: FaultProxy) -> None:
        self.url, self.proxy = url, proxy
        self.proxy.share = STORE_SHARE

    def files(self) -> dict[str, bytes]:
        share, self.proxy.share = self.proxy.share, 0.0
        fs, root = fsspec.core.url_to_fs(self.url)
        fs.invalidate_cache()
        names = {name.removeprefix(f"{root}/"): name for name in fs.find(root)}
        found = {below: fs.cat_file(name) for below, name in names.items() if is_final(below)}
        self.proxy.share = share
        return found

    def heal(self) -> None:
        self.proxy.share = 0.0

    def remove(self) -> None:
        self.proxy.share = 0.0


Place = Local | Small | Store


def may_mount(folder: Path) -> bool:
    """Tell whether this process may make file systems."""
    try:
        Small(folder / "probe", 2**20).remove()
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[FaultProxy, dict[str, str]]]:
    """Run an S3 server (moto's) behind a proxy, with one bucket; yield the proxy and the clients' environment."""
    with moto(folder / "moto.log") as port, FaultProxy(port, share=0.0) as proxy:
        environment = CLIENT | {"AWS_ENDPOINT_URL": proxy.url, "FSSPEC_S3": TIMEOUTS}
        os.environ.update(environment)
        fsspec.filesystem("s3").mkdir("faults")
        yield proxy, environment
