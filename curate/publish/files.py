"""The files of a publication: what goes where, what stays behind and why, and that each is whole.

A shard keeps its name, under `data/`: receipts know it by that name, a further dump adds files and renames none, and
the header of the card tells `datasets` which files are which subset. So what is on the hub is, byte for byte, what the
run wrote.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fsspec

from curate.checksum import intact
from curate.corpus import DROPPED, QUARANTINE, is_shard, shard_name
from curate.parquet import open_parquet
from curate.publish.dataset import CARD
from curate.publish.subset import Subset
from curate.publish.target import Target
from curate.storage import find, info, is_remote, open_binary, read_bytes

BLOCK = 2**20
THREADS = 4  # of hashing and verifying; both leave the interpreter's lock
WHY = {
    DROPPED: "what was dropped: evidence, with texts that are not to be published",
    QUARANTINE: "records that could not be read",
    ".tmp": "half-written files of a run that was killed, or is running",
    "_": "scratch and logs: names that begin with _ or a dot",
}
MODEL_FILES = (".safetensors", ".json", ".txt", ".model", ".jinja")
MODEL_KEPT_BACK = ("results.json",)  # the card has its numbers


@dataclass(frozen=True)
class File:
    """A file to publish."""

    path: str  # in the repository
    local: str  # where its bytes are; empty for the card
    size: int
    content: bytes | None = None  # of the card

    @property
    def is_shard(self) -> bool:
        return self.path.endswith(".parquet")


@dataclass(frozen=True)
class LeftOut:
    """Files that stay behind, for one reason."""

    why: str
    num: int
    size: int


def corpus_files(found: Sequence[Subset], target: Target) -> list[File]:
    """Return the shards with their places.

    Raises:
        ValueError: two shards would have one place.
    """
    files = []
    for subset in found:
        for path in subset.corpus.files:
            place = target.place(f"{subset.folder}/{shard_name(path, subset.path)}.parquet")
            files.append(File(place, path, int((info(path) or {})["size"])))
    places = [file.path for file in files]
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise ValueError(f"two shards would be {twice}; publish the corpora one by one")
    return sorted(files, key=lambda file: file.path)


def model_files(folder: str, target: Target) -> tuple[list[File], list[LeftOut]]:
    """Return the files of a Hugging Face folder, and what stays behind."""
    files, left = [], []
    for path in sorted(Path(folder).iterdir()):
        if (
            path.is_file()
            and path.suffix in MODEL_FILES
            and path.name not in MODEL_KEPT_BACK
            and path.name[0] not in "._"
        ):
            files.append(File(target.place(path.name), str(path), path.stat().st_size))
        elif path.is_file() and path.name != CARD:
            left.append(LeftOut(f"{path.name}: not part of a model", 1, path.stat().st_size))
    return files, left


def left_out(found: Sequence[Subset]) -> list[LeftOut]:
    """Return what lies in the corpora's folders and is not published."""
    counts: dict[str, list[int]] = {}
    for subset in found:
        fs, root = fsspec.core.url_to_fs(subset.path)
        for path in find(subset.path):
            relative = path.removeprefix(root.rstrip("/") + "/")
            if path != root and not is_shard(relative) and relative != CARD:
                counts.setdefault(_why(relative), []).append(int(fs.info(path)["size"] or 0))
    return [LeftOut(why, len(sizes), sum(sizes)) for why, sizes in sorted(counts.items())]


def _why(relative: str) -> str:
    parts = relative.split("/")
    for part in parts[:-1]:
        if part in (DROPPED, QUARANTINE):
            return WHY[part]
    if parts[-1].endswith(".tmp"):
        return WHY[".tmp"]
    if any(part.startswith((".", "_")) for part in parts):
        return WHY["_"]
    return f"{parts[-1]}: not a shard"


def digests(files: Sequence[File]) -> dict[str, str]:
    """Return path -> sha256 of each file's bytes."""
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip((file.path for file in files), pool.map(sha256, files), strict=True))


def sha256(file: File) -> str:
    """Return the sha256 of a file's bytes, by which the hub knows large files."""
    if file.content is not None:
        return hashlib.sha256(file.content).hexdigest()
    digest = hashlib.sha256()
    with open_binary(file.local) as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def is_same(file: File, there: str | None, blob: str, known: str = "") -> bool:
    """Tell whether a file is what the hub has.

    Args:
        there: the hub's sha256 of it, None for a small one, which it knows as git does, by `blob`.
        known: the file's own sha256, where it has been read already.
    """
    if there is not None:
        return (known or sha256(file)) == there
    return blob_id(file.content if file.content is not None else read_bytes(file.local)) == blob


def blob_id(content: bytes) -> str:
    """Return git's name of a small file's bytes."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def verify(files: Sequence[File]) -> None:
    """Hold every shard against the checksum of its bytes, and one without against those of its pages.

    Raises:
        ValueError: a shard is damaged; it is named.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(_verify, [file for file in files if file.is_shard]))


def _verify(file: File) -> None:
    whole = intact(file.local)
    if whole:
        return
    if whole is False:
        raise ValueError(f"{file.local} is damaged (its checksum is another); make it again before it is published")
    with open_parquet(file.local) as parquet:
        for group in range(parquet.num_row_groups):
            parquet.read_row_group(group, use_threads=False)  # an error names the file


@contextmanager
def on_this_machine(files: Sequence[File]) -> Iterator[list[str | bytes]]:
    """Yield the files as the hub's client takes them: paths here, fetched first where they lie elsewhere."""
    with tempfile.TemporaryDirectory(prefix="curate-publish-") as folder:
        found: list[str | bytes] = []
        for at, file in enumerate(files):
            fs, name = fsspec.core.url_to_fs(file.local) if file.content is None else (None, "")
            if file.content is not None or fs is None:
                found.append(file.content or b"")
            elif is_remote(fs):
                fetched = Path(folder, f"{at}")
                with open_binary(file.local) as source, fetched.open("wb") as copy:
                    while block := source.read(BLOCK):
                        copy.write(block)
                found.append(str(fetched))
            else:
                found.append(name)
        yield found
