"""A folder of code: one row per file, in order, and nothing that is not source."""

from pathlib import Path
from typing import Any

import pytest

from curate.readers.code import CodeFolder
from curate.readers.repository import SCHEMA


def rows(source: CodeFolder) -> list[dict[str, Any]]:
    found = [batch for split in source.splits() for batch in source.read(split)]
    assert all(batch.schema == SCHEMA for batch in found)
    return [row for batch in found for row in batch.to_pylist()]


def put(root: Path, files: dict[str, bytes]) -> CodeFolder:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return CodeFolder(str(root))


def test_a_file_becomes_a_row_with_its_repository_and_language(tmp_path: Path) -> None:
    source = put(tmp_path, {"flask/src/app.py": "x = 'ü'\r\n".encode(), "flask/LICENSE": b"", "setup.sh": b"ls"})
    first, second = rows(source)
    assert first == {
        "text": "x = 'ü'\r\n",
        "id": f"{tmp_path.name}/flask/src/app.py",
        "repo_name": "flask",
        "path": "src/app.py",
        "language": "Python",
        "license": "",
        "size": 10,
        "revision_id": None,
        "dropped_by": None,
        "quarantined": None,
    }
    assert (second["repo_name"], second["path"], second["language"]) == (tmp_path.name, "setup.sh", "Shell")


def test_what_is_no_source_is_passed_over(tmp_path: Path) -> None:
    names = ["r/.git/a.py", "r/__pycache__/a.py", "r/node_modules/m/a.js", "r/a.pyc", "r/data.csv", "r/.hidden.py"]
    source = put(tmp_path, {**dict.fromkeys(names, b"x"), "r/a.py": b"x"})
    (tmp_path / "r" / "link.py").symlink_to(tmp_path / "r" / "a.py")
    (tmp_path / "r" / "loop").symlink_to(tmp_path)
    assert [row["path"] for row in rows(source)] == ["a.py"]


def test_files_that_cannot_be_text_are_marked_with_the_reason(tmp_path: Path) -> None:
    files = {"r/a.py": b"ok", "r/b.py": b"\xff\xfe", "r/c.ts": b"G\0\0", "r/d.sql": b"x" * 11, "r/e.py": b""}
    put(tmp_path, files)
    found = rows(CodeFolder(str(tmp_path), max_bytes=10))
    assert [row["text"] for row in found] == ["ok", None, None, None, ""]
    marks = [row["dropped_by"] for row in found]
    assert marks == [None, ["code.encoding"], ["code.binary"], ["code.size"], None]
    assert not any(row["quarantined"] for row in found), "an old tree may be full of such files, and no run fails of it"


@pytest.mark.parametrize(
    ("license_text", "head", "expected"),
    [
        (b"MIT License\n\nPermission is hereby granted, free\nof charge, to any person", b"", "MIT"),
        (b"   Apache License\n      Version 2.0, January 2004", b"", "Apache-2.0"),
        (b"All rights reserved.", b"", ""),
        (b"Permission is hereby granted, free of charge", b"# SPDX-License-Identifier: GPL-2.0-only\n", "GPL-2.0-only"),
    ],
)
def test_the_licence_is_the_file_s_own_then_the_repository_s(
    tmp_path: Path, license_text: bytes, head: bytes, expected: str
) -> None:
    (row,) = rows(put(tmp_path, {"r/LICENSE": license_text, "r/a/b.py": head + b"x = 1\n"}))
    assert row["license"] == expected


def test_licences_reach_down_from_every_folder_and_all_of_them_hold(tmp_path: Path) -> None:
    mit, gpl = (
        b"Permission is hereby granted, free of charge, to any person obtaining a copy",
        b"GNU GENERAL PUBLIC LICENSE",
    )
    files = {"r/LICENSE-MIT": mit, "r/a.py": b"x", "r/sub/COPYING": gpl, "r/sub/deep/b.py": b"x", "r/subway/c.py": b"x"}
    found = rows(put(tmp_path, {**files, "other/d.py": b"x", "LICENSE": gpl}))
    assert {row["path"]: row["license"] for row in found} == {
        "a.py": "MIT",
        "sub/deep/b.py": "MIT AND GPL-3.0",
        "subway/c.py": "MIT",
        "d.py": "",
    }


def test_content_decides_where_a_name_allows_several_languages(tmp_path: Path) -> None:
    files = {"r/a.h": b"class A;\n", "r/b.ts": b"<?xml version='1.0'?>\n<TS/>", "r/run": b"#!/usr/bin/env python3\n"}
    found = rows(put(tmp_path, files | {"r/README": b"words", "r/big": b"x" * 2_000_000}))
    assert [(row["path"], row["language"], row["dropped_by"]) for row in found] == [
        ("README", None, ["code.language"]),
        ("a.h", "C++", None),
        ("b.ts", "XML", ["code.language"]),
        ("big", None, ["code.language"]),
        ("run", "Python", None),
    ]


def test_languages_can_be_chosen(tmp_path: Path) -> None:
    put(tmp_path, {"r/a.py": b"x", "r/b.html": b"<p>", "r/c.json": b"{}"})
    assert [row["path"] for row in rows(CodeFolder(str(tmp_path), languages=frozenset(["HTML", "JSON"])))] == [
        "b.html",
        "c.json",
    ]


def test_a_revision_in_a_folder_s_name_is_no_part_of_the_repository_s(tmp_path: Path) -> None:
    found = rows(put(tmp_path, {"flask-2.3.1/a.py": b"x", "json-c/a.c": b"x", "flask-main/a.py": b"x"}))
    assert [(row["repo_name"], row["revision_id"]) for row in found] == [
        ("flask", "2.3.1"),
        ("flask", "main"),
        ("json-c", None),
    ]


def test_splits_are_ranges_of_the_sorted_files(tmp_path: Path) -> None:
    put(tmp_path, {f"r/{number}.py": b"x" * number for number in range(5)})
    source = CodeFolder(str(tmp_path), split_files=2)
    assert [(s.name, s.start, s.stop, s.num_rows, s.num_bytes) for s in source.splits()] == [
        ("code-00000", 0, 2, 2, 1),
        ("code-00001", 2, 4, 2, 5),
        ("code-00002", 4, 5, 1, 4),
    ]
    assert rows(source) == rows(CodeFolder(str(tmp_path)))


def test_a_folder_without_code_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no source code"):
        CodeFolder(str(tmp_path)).splits()
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        CodeFolder(str(tmp_path / "no")).splits()
