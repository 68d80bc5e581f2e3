"""Archives of code: the rows of the unpacked folder, from hostile archives too."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from curate.readers import open_source
from curate.readers.archive import CodeArchive
from curate.readers.code import CodeFolder
from curate.run import run

MIT = b"Permission is hereby granted, free of charge, to any person obtaining a copy"
GPL = b"GNU GENERAL PUBLIC LICENSE Version 3"
FILES = {
    "flask/LICENSE": MIT,
    "flask/src/app.py": b"x = 1\n",
    "flask/vendor/COPYING": GPL,
    "flask/vendor/lib.c": b"int x;\n",
    "flask/run": b"#!/bin/sh\nls\n",
    "flask/NOTES": b"no script\n",
    "flask/bad.py": b"\xff\xfe",
    "flask/film.ts": b"G\0\0",
    "flask/.hidden/a.py": b"x",
    "json-c-0.17.0/a.h": b"int x;\n",
    "json-c-0.17.0/large.py": b"x" * 2000,
}


def rows(source: Any) -> list[dict[str, Any]]:
    found = [row for split in source.splits() for batch in source.read(split) for row in batch.to_pylist()]
    return sorted(found, key=lambda row: row["id"])


def put(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def tarred(path: Path, members: list[tuple[str, bytes | str | None]], mode: str = "w:gz") -> Path:
    """Write a tar: bytes are a file, a string is where a symbolic link leads, None is a folder."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return path


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def as_tar(mode: str) -> Callable[[Path, dict[str, bytes]], Path]:
    return lambda path, files: tarred(path, list(files.items()), mode)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("projects.tar.gz", as_tar("w:gz")),
        ("projects.tgz", as_tar("w:gz")),
        ("projects.tar", as_tar("w")),
        ("projects.tar.bz2", as_tar("w:bz2")),
        ("projects.tar.xz", as_tar("w:xz")),
        ("projects.zip", zipped),
    ],
)
@pytest.mark.parametrize("top", ["projects/", "./projects/", "", "./"])
def test_an_archive_has_the_rows_of_its_folder(tmp_path: Path, name: str, write: Any, top: str) -> None:
    folder = put(tmp_path / "projects", FILES)
    write(tmp_path / name, {f"{top}{path}": content for path, content in FILES.items()})
    source = open_source(tmp_path / name)
    assert isinstance(source, CodeArchive)
    expected = rows(CodeFolder(str(folder)))
    assert len(expected) == 8
    assert rows(source) == expected
    assert rows(CodeArchive(str(tmp_path / name), max_bytes=1000)) == rows(CodeFolder(str(folder), max_bytes=1000))


def test_what_codeload_sends_is_a_repository_at_a_revision(tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    tarred(folder / "flask.tar.gz", [("flask-2.3.1/LICENSE", MIT), ("flask-2.3.1/src/app.py", b"x = 1\n")])
    zipped(folder / "click.zip", {"click-main/a.py": b"y = 1\n"})
    sha = "0123456789abcdef0123456789abcdef01234567"
    tarred(folder / "src.tgz", [(f"attrs-{sha}/src/a.py", b"z = 1\n")])
    source = open_source(folder)
    found = [(row["id"], row["repo_name"], row["revision_id"], row["path"], row["license"]) for row in rows(source)]
    assert found == [
        (f"downloads/attrs-{sha}/src/a.py", "attrs", sha, "src/a.py", ""),
        ("downloads/click-main/a.py", "click", "main", "a.py", ""),
        ("downloads/flask-2.3.1/src/app.py", "flask", "2.3.1", "src/app.py", "MIT"),
    ]
    assert [split.name for split in source.splits()] == ["click", "flask", "src"]


def test_the_layout_can_be_said(tmp_path: Path) -> None:
    path = tarred(tmp_path / "all.tar.gz", [("data/pallets/flask/a.py", b"x"), ("data/pallets/click/b.py", b"x")])
    assert {row["repo_name"] for row in rows(CodeArchive(str(path)))} == {"pallets"}
    found = rows(CodeArchive(str(path), depth=2))
    assert [(row["repo_name"], row["path"]) for row in found] == [("pallets/click", "b.py"), ("pallets/flask", "a.py")]
    folder = put(tmp_path / "data", {"pallets/flask/a.py": b"x", "pallets/click/b.py": b"x"})
    assert found == rows(CodeFolder(str(folder), depth=2))


def test_a_folder_or_archive_that_is_a_repository_itself(tmp_path: Path) -> None:
    files = {"pyproject.toml": b"", "src/a.py": b"x = 1\n", "LICENSE": MIT}
    folder = put(tmp_path / "flask", files)
    (row,) = rows(CodeFolder(str(folder)))
    assert (row["repo_name"], row["path"], row["license"], row["id"]) == ("flask", "src/a.py", "MIT", "flask/src/a.py")
    assert rows(CodeArchive(str(zipped(tmp_path / "flask.zip", files)))) == [row]


@pytest.mark.parametrize(
    "name", ["../evil.py", "a/../../evil.py", "/etc/evil.py", "a\\..\\evil.py", "C:/evil.py", "a/new\nline.py"]
)
def test_names_that_lead_elsewhere_are_quarantined_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = tarred(inner / "x.tar.gz", [("r/a.py", b"x = 1\n"), (name, b"evil")])
    bad, good = rows(CodeArchive(str(path)))
    assert good["text"] == "x = 1\n"
    assert (bad["text"], bad["quarantined"]) == (None, f"unsafe name: member 1 is called {name!r}")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inner", "x.tar.gz"]


def test_a_name_that_is_not_utf8_is_quarantined(tmp_path: Path) -> None:
    path = tarred(tmp_path / "x.tar", [("r/a.py", b"x"), ("r/\udcff.py", b"x")], "w")
    _, bad = rows(CodeArchive(str(path)))[::-1]
    assert bad["quarantined"].startswith("unsafe name")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "\udcff.py").write_bytes(b"x")
    (row,) = rows(CodeFolder(str(tmp_path)))
    assert row["quarantined"] == "name is not UTF-8: r/\\udcff.py"


def test_links_are_marked_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("secret")
    members = [("r/a.py", b"x"), ("r/b.py", "../../secret.py"), ("r/c.py", "/etc/passwd"), ("r/loop", "..")]
    path = tarred(tmp_path / "x.tar.gz", members)
    with tarfile.open(tmp_path / "y.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("r/a.py"), io.BytesIO())
        hard = tarfile.TarInfo("r/b.py")
        hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/passwd"
        tar.addfile(hard)
    for archive, number in ((path, 4), (tmp_path / "y.tar", 2)):
        found = rows(CodeArchive(str(archive)))
        assert len(found) == number
        assert [row["text"] for row in found[1:]] == [None] * (number - 1)
        assert all(row["dropped_by"] == ["code.link"] for row in found[1:])


def test_of_two_members_with_one_name_the_later_holds(tmp_path: Path) -> None:
    path = tarred(tmp_path / "x.tar.gz", [("r/a.py", b"old"), ("r/a.py", b"new")])
    assert [row["text"] for row in rows(CodeArchive(str(path)))] == ["new"]


def test_several_licences_of_a_folder_hold_in_the_order_of_their_names(tmp_path: Path) -> None:
    apache = b"Apache License Version 2.0"
    members: list[tuple[str, bytes | str | None]] = [("r/LICENSE-MIT", MIT), ("r/LICENSE-APACHE", apache)]
    path = tarred(tmp_path / "x.tar.gz", [*members, ("r/a.rs", b"x"), ("r/LICENSE-MIT", GPL)])
    (row,) = rows(CodeArchive(str(path)))
    assert row["license"] == "Apache-2.0 AND GPL-3.0"  # the later of two members with one name


def test_bombs_are_refused_without_unpacking_them(tmp_path: Path) -> None:
    zeros = bytes(5 * 10**6)
    path = tarred(tmp_path / "x.tar.gz", [("r/a.py", b"x"), ("r/b.bin", zeros), ("r/c.py", zeros)])
    found = rows(CodeArchive(str(path)))
    assert found[1]["dropped_by"] == ["code.size"]
    with pytest.raises(
        ValueError, match=r"x\.tar\.gz cannot be read as an archive: it unpacks to .* 1,000,000 are allowed"
    ):
        rows(CodeArchive(str(path), max_archive_bytes=10**6))


def test_a_header_made_to_fill_the_memory_is_an_error(tmp_path: Path) -> None:
    head = tarfile.TarInfo("././@PaxHeader")
    head.type, head.size = tarfile.XHDTYPE, 2**33
    with gzip.open(tmp_path / "x.tar.gz", "wb") as file:
        file.write(tarfile.TarInfo("r/a.py").tobuf() + head.tobuf(tarfile.GNU_FORMAT) + bytes(2**20))
    with pytest.raises(ValueError, match=r"a header of .* bytes, more than any honest one"):
        rows(CodeArchive(str(tmp_path / "x.tar.gz")))


def test_a_zip_that_lies_about_sizes_or_is_encrypted_loses_those_files_only(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"r/a.py": b"x = 1\n", "r/b.py": bytes(10**5), "r/c.py": b"y = 2\n"})
    raw = bytearray(path.read_bytes())
    for place in (_find(raw, b"PK\1\2", b"r/b.py") + 24, _find(raw, b"PK\3\4", b"r/b.py") + 22):
        raw[place : place + 4] = (10).to_bytes(4, "little")  # the uncompressed size
    raw[_find(raw, b"PK\1\2", b"r/c.py") + 8] |= 1  # encrypted
    path.write_bytes(raw)
    good, lying, locked = rows(CodeArchive(str(path)))
    assert good["text"] == "x = 1\n"
    assert lying["text"] is None
    assert lying["quarantined"].startswith("cannot be unpacked: r/b.py: Bad CRC-32")
    assert locked["quarantined"] == "cannot be unpacked: r/c.py: it is encrypted"


def _find(raw: bytearray, head: bytes, name: bytes) -> int:
    place = raw.find(head)
    while name not in raw[place : place + 60]:
        place = raw.find(head, place + 4)
    return place


@pytest.mark.parametrize("keep", [1100, 1600, 5000])  # in a header, at the end of one, in a content
def test_a_tar_that_breaks_off_is_an_error(tmp_path: Path, keep: int) -> None:
    members: list[tuple[str, bytes | str | None]] = [("r/a.py", b"x"), ("r/b.bin", bytes(9000)), ("r/c.py", b"x")]
    whole = tarred(tmp_path / "whole.tar", members, "w").read_bytes()
    (tmp_path / "x.tar").write_bytes(whole[:keep])
    with pytest.raises(ValueError, match=r"x\.tar cannot be read as an archive"):
        rows(CodeArchive(str(tmp_path / "x.tar")))


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_compression_that_breaks_off_is_an_error(tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]) -> None:
    noise = random.Random(0).randbytes(50_000)  # does not shrink
    members: list[tuple[str, bytes | str | None]] = [("r/a.py", b"x"), ("r/b.bin", noise), ("r/c.py", b"x")]
    packed = pack(tarred(tmp_path / "whole.tar", members, "w").read_bytes())
    path = tmp_path / f"x.tar.{ending}"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ValueError, match=rf"x\.tar\.{ending} cannot be read as an archive"):
        rows(CodeArchive(str(path)))


def test_a_checksum_at_the_end_is_checked(tmp_path: Path) -> None:
    path = tarred(tmp_path / "x.tar.gz", [("r/a.py", b"x = 1\n")])
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="CRC check failed"):
        rows(CodeArchive(str(path)))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["x.tar", "x.tar.gz", "x.zip"]), st.randoms(use_true_random=False))
def test_any_damage_gives_rows_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, chance: random.Random
) -> None:
    path = tmp_path_factory.mktemp("damaged") / name
    small = {name: content[:50] for name, content in FILES.items()}
    zipped(path, small) if name.endswith(".zip") else as_tar("w:gz" if "gz" in name else "w")(path, small)
    raw = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 5)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    path.write_bytes(raw[: chance.randrange(1, len(raw) + 1)] if chance.random() < 0.3 else raw)
    message = error_of(CodeArchive(str(path)))
    assert not message or f"{name} cannot be read as an archive: " in message


def error_of(source: CodeArchive) -> str:
    """Return what reading an archive says is wrong, "" if it gives its rows."""
    try:
        rows(source)
    except ValueError as error:
        return str(error)
    return ""


def test_a_broken_header_is_no_end(tmp_path: Path) -> None:
    path = tarred(tmp_path / "x.tar", [("r/a.py", b"x"), ("r/b.py", b"y")], "w")
    raw = bytearray(path.read_bytes())
    raw[1024 + 150] ^= 0xFF  # in the checksum of the second header
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="a broken header after member 1"):
        rows(CodeArchive(str(path)))


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar", "x.tar.xz"])
def test_what_is_no_archive_is_an_error_with_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"certainly not an archive" * 50)
    with pytest.raises(ValueError, match=rf"{name} cannot be read as an archive"):
        rows(open_source(tmp_path / name))


def test_a_damaged_archive_fails_alone_and_a_run_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    tarred(folder / "good.tar.gz", [("r/a.py", b"x = 1\n")])
    (folder / "bad.tar.gz").write_bytes(b"no")
    with pytest.raises(RuntimeError, match=r"1 of 2 splits failed \(bad\)"):
        run((), open_source(folder), str(tmp_path / "out"))
    assert (tmp_path / "out" / "good.parquet").exists()


def test_real_files_have_the_same_rows_in_a_folder_and_in_its_archives(shared_data: Path, tmp_path: Path) -> None:
    table = parquet.read_table(shared_data / "code/code.parquet", columns=["repo", "path", "text"]).slice(3000, 6000)
    files = {f"{row['repo']}/{row['path']}": row["text"].encode() for row in table.to_pylist()[::30]}
    folder = put(tmp_path / "projects", files)
    as_tar("w:gz")(tmp_path / "projects.tar.gz", files)
    zipped(tmp_path / "projects.zip", files)
    expected = rows(CodeFolder(str(folder), depth=2))
    hidden = [path for path in files if any(part.startswith(".") for part in path.split("/"))]
    assert len(expected) == len(files) - len(hidden) > 190
    assert expected == rows(CodeArchive(str(tmp_path / "projects.tar.gz"), depth=2))
    assert expected == rows(CodeArchive(str(tmp_path / "projects.zip"), depth=2))


def test_what_macos_puts_into_a_zip_is_of_no_repository(tmp_path: Path) -> None:
    files = {"work/a/x.py": b"x = 1\n", "work/b/y.py": b"y = 2\n"}
    mac = {"__MACOSX/._work": b"\0", "__MACOSX/work/a/._x.py": b"\0", "work/.DS_Store": b"\0", "work/._a": b"\0"}
    plain = rows(CodeArchive(str(zipped(tmp_path / "work.zip", files))))
    (tmp_path / "mac").mkdir()
    assert rows(CodeArchive(str(zipped(tmp_path / "mac/work.zip", files | mac)))) == plain
    assert [row["repo_name"] for row in plain] == ["a", "b"]
