"""Licence files that are rows of the corpus reach every file below them."""

import pyarrow as pa
import pytest

from curate.corpus import write_corpus
from curate.signals.license import License
from curate.signals.repository_licenses import repository_licenses

MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy"
GPL = "GNU GENERAL PUBLIC LICENSE Version 3"
ROWS = [  # repository, path, text, what holds
    ("a/b", "/LICENSE", MIT, "MIT"),
    ("a/b", "/src/x.py", "x", "MIT"),
    ("a/b", "/src/sub/COPYING", GPL, "GPL-3.0"),
    ("a/b", "/src/sub/y.py", "x", "MIT AND GPL-3.0"),
    ("a/b", "/src/license.py", "x", "MIT"),
    ("a/c", "/src/sub/z.py", "x", ""),
    (None, "/LICENSE", MIT, "MIT"),
    (None, "/v.py", "x", ""),
]


@pytest.mark.parametrize("shard_rows", [1, 3, 100])
def test_what_a_repository_says_reaches_its_files_in_any_shard(tmp_path, shard_rows):
    names, paths, texts, expected = (list(column) for column in zip(*ROWS, strict=True))
    rows = pa.RecordBatch.from_pydict({"text": texts, "id": paths, "repo_name": names, "path": paths})
    corpus = write_corpus(tmp_path / "in", [rows.slice(i, 1) for i in range(len(ROWS))], shard_rows=shard_rows)
    table = str(tmp_path / "licenses.parquet")
    assert repository_licenses(corpus, table) == 2
    found = License(repositories=table)(rows)
    assert found["license.stated"].to_pylist()[1:2] == ["MIT"]
    assert found["license.stated"].to_pylist()[3:] == expected[3:]
    assert found["license_type"].to_pylist()[3:6] == ["non_permissive", "permissive", "no_license"]


def test_what_is_missing_is_said(tmp_path):
    corpus = write_corpus(tmp_path / "in", [pa.RecordBatch.from_pydict({"text": ["x"], "id": ["1"]})])
    with pytest.raises(ValueError, match="no column 'repo_name'"):
        repository_licenses(corpus, str(tmp_path / "x.parquet"))
