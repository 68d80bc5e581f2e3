"""Source code from every kind of input: files a second, and how the languages agree with a label by file ending.

    python benchmarks/code_sources.py code.parquet [--files 5000]

`code.parquet` has columns repo, path, language and text. Its first files are written as a folder, a tar.gz and a zip,
all are read back in one interleaved run (rounds of all readers, the best of three), and their rows are compared. Then
every file's language is told by `curate.code.detect`, and each difference to the label is counted by ending, with an
example. Results of 21 November 2026 on two cores shared with seven other jobs, 4,559 files packed:

    reader        files/s    MB/s       language: 23,119 of 23,220 agree (99.57 %), 20,600 files/s
    Parquet        26,400     218         99  C -> C++, .h: headers with classes, templates or namespaces
    folder          2,940      40          2  TypeScript -> XML, .tsx: tile sets of a map editor
    tar.gz            925      13       the label is wrong in all 101: it is by ending alone
    zip             1,860      25

The readers of files are bound by the search for licences and decoding; a tar.gz is decompressed twice, for what its
LICENSE files say must be known before its first row.
"""

import argparse
import shutil
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from curate.code.detect import detect
from curate.corpus import Source
from curate.readers import open_source
from curate.readers.archive import CodeArchive
from curate.readers.code import CodeFolder

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("code")
    parser.add_argument("--files", type=int, default=5000)
    arguments = parser.parse_args()
    rows = pq.read_table(arguments.code, columns=["repo", "path", "language", "text"]).to_pylist()
    with tempfile.TemporaryDirectory() as scratch:
        compare_readers(arguments.code, write(rows[: arguments.files], Path(scratch)))
    agree(rows)


def write(rows: list[dict[str, Any]], scratch: Path) -> dict[str, Source]:
    """Write the files of some rows, a repository each `owner/name`, and return what reads them back."""
    folder = scratch / "projects"
    for row in rows:
        path = folder / row["repo"].replace(":", "/") / row["path"]
        if not (path.exists() or any(above.is_file() for above in path.parents) or path.is_dir()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(row["text"], newline="")
    with tarfile.open(scratch / "projects.tar.gz", "w:gz") as tar:
        tar.add(folder, "projects")
    shutil.make_archive(str(scratch / "projects"), "zip", scratch, "projects")
    archives = {name: CodeArchive(str(scratch / f"projects.{name}"), depth=2) for name in ("tar.gz", "zip")}
    return {"folder": CodeFolder(str(folder), depth=2), **archives}


def compare_readers(code: str, sources: dict[str, Source]) -> None:
    best: dict[str, float] = {}
    read: dict[str, dict[str, Any]] = {}
    every = {"Parquet": open_source(code), **sources}
    for _ in range(ROUNDS):
        for name, source in every.items():
            start = time.perf_counter()
            batches = [batch for split in source.splits() for batch in source.read(split)]
            best[name] = min(best.get(name, 1e9), time.perf_counter() - start)
            read[name] = {row["id"]: row for batch in batches for row in batch.to_pylist()}
    assert read["folder"] == read["tar.gz"] == read["zip"], "the same files gave other rows"
    print(f"{'reader':<10} {'files':>8} {'files/s':>10} {'MB/s':>8}")
    for name, seconds in best.items():
        size = sum(len((row["text"] or "").encode()) for row in read[name].values()) / 1e6
        print(f"{name:<10} {len(read[name]):>8,} {len(read[name]) / seconds:>10,.0f} {size / seconds:>8.1f}")


def agree(rows: list[dict[str, Any]]) -> None:
    start = time.perf_counter()
    found = [detect(row["path"], row["text"]) for row in rows]
    seconds = time.perf_counter() - start
    confused: Counter[tuple[str, str, str]] = Counter()
    examples: dict[tuple[str, str, str], str] = {}
    for row, language in zip(rows, found, strict=True):
        if language != row["language"]:
            key = row["language"], str(language), Path(row["path"]).suffix
            confused[key] += 1
            examples.setdefault(key, f"{row['repo']} {row['path']}")
    same = len(rows) - confused.total()
    print(f"language: {same:,} of {len(rows):,} agree ({same / len(rows):.2%}), {len(rows) / seconds:,.0f} files/s")
    for (label, language, ending), number in confused.most_common():
        print(f"{number:>6}  {label} -> {language}, {ending}: {examples[label, language, ending]}")


if __name__ == "__main__":
    main()
