"""Is what lies here still what was written? Every byte against its checksum, every count against its receipt.

    print(verify(["runs/edu"]))          3 of 61 files are damaged: ...; delete them and run the same command again

Reading a shard verifies the pages that are read, and a finished shard that nobody reads may rot unseen; a resumed run
looks at its footer only. This reads all of it: after a disk or a copy was in doubt, before a corpus is published.
Evidence (`dropped/`, `quarantine/`) is held against the receipt of its kept shard, and names that shard, so a lost file
is found as well; of a kept shard without evidence nothing tells that it was there, until the same run is run again.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import fsspec

from curate.checksum import KEY, intact
from curate.corpus import DROPPED, QUARANTINE
from curate.parquet import open_parquet, own_metadata, read_receipt
from curate.storage import find, info, is_remote
from curate.tally import Tally

THREADS = 8  # files at a time: a checksum is computed without the interpreter's lock
EVIDENCE = (DROPPED, QUARANTINE)


@dataclass(frozen=True)
class Verified:
    """What `verify` found; `print` it.

    Attributes:
        num_unsealed: files without a checksum of the whole (not ours, or of an early version): their pages were read.
        damaged: path -> what is wrong with it.
        delete: files that are to be deleted, so that the run that made them makes them again.
    """

    num_files: int
    num_bytes: int
    num_unsealed: int
    damaged: dict[str, str]
    delete: tuple[str, ...]

    def __str__(self) -> str:
        unsealed = f", {self.num_unsealed:,} of them without a checksum of the whole" if self.num_unsealed else ""
        whole = f"{self.num_files:,} files, {self.num_bytes / 1e6:,.1f} MB{unsealed}"
        if not self.damaged:
            return f"{whole}: every byte is as it was written"
        lines = [f"{path} {reason}" for path, reason in self.damaged.items()]
        advice = f"{'delete these, and ' if self.delete else ''}run the command that made them again"
        doomed = [f"{advice}:", *(f"  {path}" for path in self.delete)] if self.delete else [advice]
        return "\n".join([f"{whole}: {len(lines)} damaged", *lines, *doomed])


def verify(folders: Iterable[str]) -> Verified:
    """Read every Parquet file at or below some folders, but for scratch, and say which are not as they were written.

    Raises:
        FileNotFoundError: a folder has no Parquet file.
    """
    below = {path: inside for folder in folders for path, inside in _files(folder)}
    paths = list(below)
    with ThreadPoolExecutor(THREADS) as pool:
        sealed = dict(zip(paths, pool.map(_intact, paths), strict=True))
        reasons = dict(zip(paths, pool.map(_damage, paths, sealed.values()), strict=True))
        # Each file's kept shard: itself, or the one that it is evidence of.
        kept = dict(zip(paths, pool.map(_kept, paths, below.values()), strict=True))
        shards = [path for path in paths if kept[path] == path and reasons[path] is None]
        for shard, found in zip(shards, pool.map(_evidence, shards), strict=True):
            for path, reason in found:
                reasons[path] = reasons.get(path) or reason
                kept.setdefault(path, shard)
        evidence = [path for path in paths if kept[path] != path and reasons[path] is None]
        reasons |= {kept[path]: _lost(path) for path in evidence if info(kept[path]) is None}
    damaged = {path: reason for path, reason in sorted(reasons.items()) if reason is not None}
    delete = sorted({path for name in damaged for path in (name, kept.get(name, name)) if info(path) is not None})
    num_bytes = sum((info(path) or {}).get("size", 0) for path in paths)
    return Verified(len(paths), num_bytes, list(sealed.values()).count(None), damaged, tuple(delete))


def _files(folder: str) -> list[tuple[str, str]]:
    """Return each file's path, and what of it is below the parent of the folder."""
    fs, root = fsspec.core.url_to_fs(folder)
    names = [name for name in find(folder) if name.endswith(".parquet") and not _scratch(name, root)]
    if not names:
        raise FileNotFoundError(f"{folder} holds no .parquet file; give the folder of a run or a corpus")
    above = root.rstrip("/").rpartition("/")[0]
    return [(fs.unstrip_protocol(name) if is_remote(fs) else name, name.removeprefix(above)) for name in names]


def _scratch(name: str, root: str) -> bool:
    return any(part.startswith((".", "_")) for part in name.removeprefix(root).split("/"))


def _intact(path: str) -> bool | None:
    """Return what the checksum says; None of a file that has none, or only one that was carried over from another."""
    whole = intact(path)
    if whole is False:
        try:
            with open_parquet(path) as file:
                return whole if KEY in own_metadata(file.metadata) else None
        except (ValueError, OSError):
            return whole
    return whole


def _damage(path: str, whole: bool | None) -> str | None:
    """Return what is wrong with a file, None if nothing is."""
    if whole:
        return None
    try:
        with open_parquet(path) as file:  # which tells where the damage is, unless it is where only the seal looks
            for group in range(file.num_row_groups):
                file.read_row_group(group)
    except (ValueError, OSError) as error:
        return f"is damaged ({_sentence(error)})"
    return "is damaged (bytes have changed since it was written)" if whole is False else None


def _sentence(error: BaseException) -> str:
    return str(error.__cause__ or error).strip().rstrip(".").split("\n")[0]


def _evidence(path: str) -> list[tuple[str, str]]:
    """Hold a kept shard and its evidence against its receipt; return what does not fit."""
    receipt: dict[str, Any] = read_receipt(path) or {}
    if "tally" not in receipt:
        return []
    tally, below = Tally.from_json(receipt["tally"]), f"{receipt['split']['name']}.parquet"
    corpus = path.removesuffix(f"/{below}")
    if corpus == path:  # a copy elsewhere
        return []
    counts = [tally.rows_out, tally.num_dropped, tally.num_quarantined]
    files = [path, f"{corpus}/{DROPPED}/{below}", f"{corpus}/{QUARANTINE}/{below}"]
    told = f"where the receipt of {path} counts"
    found = []
    for file, count in zip(files, counts, strict=True):
        if count and info(file) is None:
            found.append((file, f"is missing, {told} {count:,} rows"))
        elif count and (rows := _num_rows(file)) not in (None, count):
            found.append((file, f"has {rows:,} rows {told} {count:,}"))
    return found


def _lost(path: str) -> str:
    return f"is missing, and {path} is here: it was lost, or its run has not come to its end"


def _num_rows(path: str) -> int | None:
    try:
        with open_parquet(path) as file:
            return int(file.metadata.num_rows)
    except (ValueError, OSError):
        return None  # damaged, and told as such


def _kept(path: str, below: str) -> str:
    """Return the kept shard that evidence belongs to, which is made again with it; of any other file itself.

    The receipt tells it, so that corpora may lie in folders of any name; of a file that cannot be read, its place below
    the folder that was given.
    """
    try:
        receipt = read_receipt(path) or {}
    except (ValueError, OSError):
        kind = next((part for part in reversed(below.split("/")) if part in EVIDENCE), "")
        return "/".join(path.rsplit(f"/{kind}/", 1)) if kind else path
    name = f"/{receipt['split']['name']}.parquet" if "tally" in receipt else ""
    corpus, _, kind = path.removesuffix(name).rpartition("/")
    return f"{corpus}{name}" if name and kind in EVIDENCE else path
