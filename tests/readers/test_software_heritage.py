"""Contents by name: from a folder, from a real HTTP server, and from storages that fail."""

import gzip
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus
from curate.readers import needs_contents, open_source
from curate.readers.software_heritage import FetchContents, SoftwareHeritage
from curate.run import RunError, run

CONTENTS = {  # name -> (encoding, bytes in the bucket, the text or the reason)
    "a1": ("UTF-8", gzip.compress("é = 1\n".encode()), "é = 1\n"),
    "b2": ("ISO-8859-1", gzip.compress("é".encode("latin-1")), "é"),
    "c3": ("GB18030", gzip.compress("中文".encode("gb18030")), "中文"),
    "d4": ("UTF-8", b"plain", "plain"),
    "e5": ("UTF-8", gzip.compress("\ufeffbom".encode()), "bom"),
    "f6": ("UTF-8", gzip.compress(b"\xff"), "content unusable: f6: not UTF-8: "),
    "07": ("no-such", gzip.compress(b"x"), "content unusable: 07: no such encoding: no-such"),
    "18": ("UTF-8", gzip.compress(b"x" * 2000)[:-9], "content unusable: 18: its gzip breaks off"),
    "29": ("UTF-8", gzip.compress(bytes(20_000_000)), "content unusable: 29: it has more than 10,485,760 bytes"),
    "3a": ("UTF-8", b"\x1f\x8bnot gzip", "content unusable: 3a: its gzip is broken"),
    "4b": (None, gzip.compress(b"no encoding"), "no encoding"),
    "5c": ("UTF-8", gzip.compress(b""), ""),
}
NAMES = [*CONTENTS, "missing", None, "../etc"]
ENCODINGS = [*(encoding for encoding, _, _ in CONTENTS.values()), "UTF-8", "UTF-8", "UTF-8"]
EXPECTED = [
    *(expected for _, _, expected in CONTENTS.values()),
    "content not found: missing",
    "no name of a content to fetch",
    "content not found: ../etc",
]
ROWS = pa.RecordBatch.from_pydict({"id": NAMES, "src_encoding": ENCODINGS})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "content").mkdir()
    for name, (_, data, _) in CONTENTS.items():
        (tmp_path / "content" / name).write_bytes(data)
    return tmp_path / "content"


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def check(found: pa.RecordBatch) -> None:
    assert found["id"].to_pylist() == NAMES
    for text, reason, expected in zip(
        found["text"].to_pylist(), found["quarantined"].to_pylist(), EXPECTED, strict=True
    ):
        assert text == expected if reason is None else (text is None and reason.startswith(expected))
    assert sum(reason is not None for reason in found["quarantined"].to_pylist()) == 8


@pytest.mark.parametrize("workers", [1, 7])
def test_contents_come_decoded_in_the_order_of_the_rows(folder: Path, workers: int) -> None:
    check(FetchContents(SoftwareHeritage(str(folder)), workers=workers)(ROWS))


def test_contents_come_from_a_web_server(server: str) -> None:
    check(FetchContents(SoftwareHeritage(server))(ROWS))


def test_a_server_that_is_not_there_stops_the_run_and_nothing_is_written(tmp_path: Path) -> None:
    pq.write_table(pa.table({"blob_id": ["a1", "b2"], "path": ["a.py", "b.py"]}), tmp_path / "in.parquet")
    source = open_source(tmp_path / "in.parquet")
    stage = FetchContents(SoftwareHeritage("http://127.0.0.1:9"), attempts=2, pause_s=0.0)
    with pytest.raises(RunError, match="no content could be fetched, of 2; run again when this is mended"):
        run((stage,), source, str(tmp_path / "out"))
    assert not list((tmp_path / "out").rglob("*.parquet"))


@dataclass(frozen=True)
class Flaky:
    """Fails a given number of times for each name, then answers."""

    failures: int
    asked: Counter[str] = field(default_factory=Counter)

    def __call__(self, name: str) -> bytes:
        self.asked[name] += 1
        if self.asked[name] <= self.failures:
            raise ConnectionError("reset by peer")
        return name.encode()


@dataclass(frozen=True)
class Throttled:
    """Has no answer for a name the given number of times; refuses "secret" always."""

    left: dict[str, int]

    def __call__(self, name: str) -> bytes:
        if name == "secret":
            raise PermissionError("not for you")
        if self.left.get(name, 0):
            self.left[name] -= 1
            raise OSError("slow down")
        return name.encode()

    def __repr__(self) -> str:
        return "Throttled"


def test_a_storage_is_asked_again_so_often_and_no_more() -> None:
    flaky = Flaky(failures=2)
    rows = pa.RecordBatch.from_pydict({"id": ["x", "y"]})
    assert FetchContents(flaky, attempts=3, pause_s=0.0)(rows)["text"].to_pylist() == ["x", "y"]
    assert flaky.asked == {"x": 3, "y": 3}
    with pytest.raises(OSError, match="no content could be fetched, of 1"):
        FetchContents(Flaky(2), attempts=2, pause_s=0.0)(rows.slice(0, 1))


def test_one_content_without_an_answer_fails_the_split_and_the_next_run_has_it(tmp_path: Path) -> None:
    pq.write_table(pa.table({"blob_id": ["x", "late", "y"]}), tmp_path / "in.parquet")
    source, out = open_source(tmp_path / "in.parquet"), str(tmp_path / "out")
    throttled = Throttled({"late": 3})
    stage = FetchContents(throttled, attempts=2, pause_s=0.0)
    with pytest.raises(RunError, match=r"1 contents could not be fetched, of 3; run again .*: late: slow down"):
        run((stage,), source, out)
    run((stage,), source, out)
    assert Corpus(out).table()["text"].to_pylist() == ["x", "late", "y"]


def test_a_content_that_is_refused_where_others_are_not_is_quarantined() -> None:
    rows = pa.RecordBatch.from_pydict({"id": ["x", "secret"]})
    stage = FetchContents(Throttled({}), attempts=2, pause_s=0.0)
    assert stage(rows)["quarantined"].to_pylist() == [None, "content refused: secret: not for you"]
    with pytest.raises(OSError, match="no content could be fetched, of 1"):
        stage(rows.slice(1))


def test_rows_that_have_text_are_left_alone() -> None:
    rows = pa.RecordBatch.from_pydict({"id": ["r/a.py", "r/b.py"], "blob_id": [None, "x"], "text": ["here", None]})
    found = FetchContents(Flaky(0))(rows)
    assert found["text"].to_pylist() == ["here", "x"]
    assert "quarantined" not in found.schema.names
    assert FetchContents(Flaky(0))(rows.slice(0, 0)).num_rows == 0


def test_stack_edu_s_rows_run_from_names_to_a_corpus(tmp_path: Path, folder: Path) -> None:
    good = [name for name, (_, _, expected) in CONTENTS.items() if not expected.startswith("content")]
    table = pa.table(
        {
            "blob_id": good,
            "repo_name": ["a/b"] * len(good),
            "path": [f"/{name}.py" for name in good],
            "src_encoding": [CONTENTS[name][0] for name in good],
            "length_bytes": list(range(len(good))),
            "score": [3.5] * len(good),
            "int_score": [4] * len(good),
            "detected_licenses": [["MIT", "Apache-2.0"]] * len(good),
            "license_type": ["permissive"] * len(good),
            "language": ["Python"] * len(good),
        }
    )
    pq.write_table(table, tmp_path / "edu.parquet")
    source = open_source(tmp_path / "edu.parquet")
    assert needs_contents(source)
    run((FetchContents(SoftwareHeritage(str(folder))),), source, str(tmp_path / "out"))
    rows = Corpus(tmp_path / "out").table().to_pylist()
    assert [row["text"] for row in rows] == [CONTENTS[name][2] for name in good]
    assert rows[0] == {
        "id": "a1",
        "repo_name": "a/b",
        "path": "/a1.py",
        "src_encoding": "UTF-8",
        "size": 0,
        "score": 3.5,
        "int_score": 4,
        "license": "MIT AND Apache-2.0",
        "license_type": "permissive",
        "language": "Python",
        "detected_licenses": ["MIT", "Apache-2.0"],
        "text": "é = 1\n",
    }
