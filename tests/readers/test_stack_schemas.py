"""The published tables of code: The Stack v1 and v2, by file and by repository, and JSON lines."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Source
from curate.readers import needs_contents, open_source
from curate.readers.code_jsonl import CodeJsonl
from curate.readers.jsonl import Jsonl
from curate.readers.parquet import Parquet
from curate.readers.stack_repositories import StackRepositories

V1 = {  # the columns of bigcode/the-stack-dedup, by its card
    "hexsha": "f0",
    "size": 5,
    "ext": "py",
    "lang": "Python",
    "max_stars_repo_path": "src/a.py",
    "max_stars_repo_name": "x/y",
    "max_stars_repo_head_hexsha": "ab",
    "max_stars_repo_licenses": ["MIT", "GPL-3.0"],
    "max_stars_count": 3,
    "max_issues_repo_name": "x/z",
    "content": "x = 1",
    "avg_line_length": 5.0,
    "max_line_length": 5,
    "alphanum_fraction": 0.4,
}
V2 = {  # of bigcode/the-stack-v2
    "blob_id": "b0",
    "directory_id": "d0",
    "path": "/src/a.py",
    "content_id": "c0",
    "detected_licenses": [],
    "license_type": "no_license",
    "repo_name": "x/y",
    "snapshot_id": "s0",
    "revision_id": "r0",
    "branch_name": "refs/heads/main",
    "github_id": None,
    "star_events_count": 0,
    "gha_license_id": "mit",
    "src_encoding": "UTF-8",
    "language": "Python",
    "is_vendor": False,
    "is_generated": False,
    "length_bytes": 5,
    "extension": "py",
}


def write(path: Path, rows: list[dict[str, Any]]) -> Source:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return open_source(path)


def rows(source: Source) -> list[dict[str, Any]]:
    found = [batch for split in source.splits() for batch in source.read(split)]
    assert all(batch.schema == source.schema for batch in found)
    return [row for batch in found for row in batch.to_pylist()]


def test_the_stack_v1_loses_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "v1.parquet", [V1])
    assert isinstance(source, Parquet)
    assert not needs_contents(source)
    ours = {
        "id": "f0",
        "language": "Python",
        "path": "src/a.py",
        "repo_name": "x/y",
        "revision_id": "ab",
        "license": "MIT AND GPL-3.0",
        "text": "x = 1",
    }
    theirs = {"hexsha", "lang", "content", *(f"max_stars_repo_{name}" for name in ("path", "name", "head_hexsha"))}
    assert rows(source) == [{name: value for name, value in V1.items() if name not in theirs} | ours]


def test_the_stack_v2_loses_nothing_and_wants_contents(tmp_path: Path) -> None:
    source = write(tmp_path / "v2.parquet", [{**V2, "detected_licenses": ["MIT"]}, V2])
    assert needs_contents(source)
    first, second = rows(source)
    kept = {name: value for name, value in V2.items() if name not in ("blob_id", "length_bytes")}
    assert second == kept | {"id": "b0", "size": 5, "license": ""}
    assert (first["license"], first["detected_licenses"]) == ("MIT", ["MIT"])


def test_the_stack_v2_by_repositories_has_a_row_for_each_file(tmp_path: Path) -> None:
    files = [
        {
            "blob_id": name,
            "path": f"/{name}.py",
            "detected_licenses": ["MIT"],
            "license_type": "permissive",
            "length_bytes": 3,
        }
        for name in ("a0", "b1", "c2")
    ]
    repositories = [
        {"repo_name": "x/y", "revision_id": "r0", "star_events_count": 7, "files": files[:2], "num_files": 2},
        {"repo_name": "x/empty", "revision_id": "r1", "star_events_count": 0, "files": [], "num_files": 0},
        {"repo_name": "x/z", "revision_id": "r2", "star_events_count": 1, "files": files[2:], "num_files": 1},
    ]
    source = write(tmp_path / "repos.parquet", repositories)
    assert isinstance(source, StackRepositories)
    assert needs_contents(source)
    found = rows(source)
    assert [(row["id"], row["repo_name"], row["revision_id"]) for row in found] == [
        ("a0", "x/y", "r0"),
        ("b1", "x/y", "r0"),
        ("c2", "x/z", "r2"),
    ]
    assert found[0] | {"id": None} == {
        "id": None,
        "path": "/a0.py",
        "license": "MIT",
        "detected_licenses": ["MIT"],
        "license_type": "permissive",
        "size": 3,
        "repo_name": "x/y",
        "revision_id": "r0",
        "star_events_count": 7,
        "num_files": 2,
    }


def test_json_lines_of_code_get_the_columns_of_code(tmp_path: Path) -> None:
    lines = [V1, {**V2, "text": "y"}, {"code": "z", "path": "z.c", "repo_name": "x/y"}, V2, {"path": "a.py"}, 3]
    data = "\n".join(json.dumps(line) for line in lines).encode() + b"\n{broken\n"
    (tmp_path / "code.jsonl.gz").write_bytes(gzip.compress(data))
    source = open_source(tmp_path / "code.jsonl.gz")
    assert isinstance(source, CodeJsonl)
    assert needs_contents(source)
    v1, v2, bare, unfetched, nothing, number, broken = rows(source)
    assert {name: v1[name] for name in ("text", "id", "repo_name", "path", "language", "license", "size")} == {
        "text": "x = 1",
        "id": "f0",
        "repo_name": "x/y",
        "path": "src/a.py",
        "language": "Python",
        "license": "MIT AND GPL-3.0",
        "size": 5,
    }
    assert json.loads(v1["metadata"])["max_stars_count"] == 3
    assert (v2["id"], v2["blob_id"], v2["license_type"], v2["text"]) == ("b0", "b0", "no_license", "y")
    assert (bare["text"], bare["path"], bare["language"], bare["metadata"]) == ("z", "z.c", None, None)
    assert bare["id"].startswith(f"{tmp_path.name}/code/")
    assert (unfetched["text"], unfetched["blob_id"], unfetched["quarantined"]) == (None, "b0", None)
    assert nothing["quarantined"].startswith("no text (text, content, raw_content, code): ")
    assert number["quarantined"].startswith("no object: ")
    assert broken["quarantined"].startswith("not valid JSON: ")


@pytest.mark.parametrize(
    "line", [b'{"text": "words", "url": "u", "language": "en"}', b"no json", b'{"text": "x", "path": "a"}', b""]
)
def test_other_json_lines_are_pages_as_before(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(line)
    assert isinstance(open_source(tmp_path), Jsonl)
