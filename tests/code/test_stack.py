"""The published column names on the way out."""

import hashlib

import pyarrow as pa

from curate.code.stack import StackColumns, licenses_of

STACK_EDU = (  # the columns of the published data set, by its card
    *("blob_id", "repo_name", "path", "src_encoding", "length_bytes", "score", "int_score", "detected_licenses"),
    "license_type",
)


def test_a_document_of_ours_gets_stack_edu_s_columns_and_keeps_its_own():
    rows = pa.RecordBatch.from_pydict(
        {
            "text": ["ü", None],
            "id": ["r/a.py", "x"],
            "repo_name": ["a/b", None],
            "path": ["a.py", None],
            "license": ["(MIT OR GPL-3.0) AND ISC", ""],
            "score": [3.2, None],
            "int_score": [3, None],
            "code.generated": pa.array([0, 1], pa.int8()),
        }
    )
    found = StackColumns()(rows)
    assert set(STACK_EDU) | set(rows.schema.names) <= set(found.schema.names)
    assert found["blob_id"].to_pylist() == [hashlib.sha1("ü".encode()).hexdigest(), None]
    assert found["length_bytes"].to_pylist() == [2, None]
    assert found["src_encoding"].to_pylist() == ["UTF-8", None]
    assert found["detected_licenses"].to_pylist() == [["MIT", "GPL-3.0", "ISC"], []]
    assert found["license_type"].to_pylist() == ["permissive", "no_license"]
    assert found["extension"].to_pylist() == ["py", ""]
    assert found["is_generated"].to_pylist() == [False, True]


def test_what_the_input_brought_under_the_published_names_stays():
    name = "0123456789abcdef0123456789abcdef01234567"
    lists = pa.array([["MIT", "LicenseRef-x"]], pa.list_(pa.string()))
    rows = pa.RecordBatch.from_pydict(
        {"text": ["x"], "id": [name], "license": ["MIT"], "detected_licenses": lists, "license_type": ["permissive"]}
    )
    found = StackColumns()(rows).to_pylist()[0]
    assert found["blob_id"] == name
    assert (found["detected_licenses"], found["license_type"]) == (["MIT", "LicenseRef-x"], "permissive")


def test_the_licences_in_an_expression():
    assert licenses_of("Apache-2.0 WITH LLVM-exception AND (MIT OR MIT)") == ["Apache-2.0", "MIT"]
    assert licenses_of(None) == []
