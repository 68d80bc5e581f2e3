"""Files put together: every file once, in the order of paths, within the bound, however the corpus is split."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.cli import concatenate as verb
from curate.concatenate import FILE_SEP, concatenate
from curate.corpus import Corpus, write_corpus
from curate.ledger import funnel
from curate.ledger.runs import recipe
from curate.verify import verify

FILES = [  # id, repository, path, text
    ("3", "a/b", "src/z.py", "z = 1\n"),
    ("1", "a/b", "README.md", "# b\n"),
    ("2", "a/b", "src/a.py", "a = 1\n"),
    ("4", "a/c", "/x.c", "int x;"),
    ("5", None, "alone.py", "y = 2\n"),
]


def batch(files: list[tuple[str, str | None, str, str | None]], **more: list[str | None]) -> pa.RecordBatch:
    ids, repositories, paths, texts = (list(column) for column in zip(*files, strict=True))
    columns = {"text": texts, "id": ids, "repo_name": repositories, "path": paths, **more}
    return pa.RecordBatch.from_pydict({name: pa.array(values, pa.string()) for name, values in columns.items()})


def test_a_repository_is_one_document_in_the_order_of_its_paths(tmp_path: Path) -> None:
    languages = ["Python", "Markdown", "Python", "C", "Python"]
    source = write_corpus(tmp_path / "in", [batch(FILES, language=languages, license=["MIT", "MIT", "ISC", "", ""])])
    done = concatenate(source, str(tmp_path / "out"))
    assert (done.files, done.without_text, done.documents) == (5, 0, 3)
    found = {row["id"]: row for row in Corpus(tmp_path / "out").table().to_pylist()}
    assert {name: row["text"] for name, row in found.items()} == {
        "a/b#0": "<repo_name>a/b<file_sep>README.md\n# b\n<file_sep>src/a.py\na = 1\n<file_sep>src/z.py\nz = 1\n",
        "a/c#0": "<repo_name>a/c<file_sep>x.c\nint x;",
        "5": "<file_sep>alone.py\ny = 2\n",
    }
    assert found["a/b#0"] | {"text": ""} == {
        "text": "",
        "id": "a/b#0",
        "repo_name": "a/b",
        "path": None,
        "language": "Python",
        "license": "MIT AND ISC",
        "size": 88,  # 14 for the repository, 24 for the first file, 25 for each of the others
        "revision_id": None,
        "num_files": 3,
        "file_ids": ["1", "2", "3"],
    }


def test_by_file_each_stands_alone_under_the_same_separators(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "in", [batch(FILES)])
    concatenate(source, str(tmp_path / "out"), by="file")
    found = {row["id"]: row["text"] for row in Corpus(tmp_path / "out").table().to_pylist()}
    assert found["2"] == "<repo_name>a/b<file_sep>src/a.py\na = 1\n"
    assert len(found) == 5


def test_no_document_is_larger_than_said_and_files_are_cut_only_if_they_must(tmp_path: Path) -> None:
    large = "".join(f"line {number}\n" for number in range(400))  # some 3,500 characters
    files = [
        ("0", "r", "a.py", "a" * 600),
        ("1", "r", "b.py", "b" * 600),
        ("2", "r", "c.py", large),
        ("3", "r", "d.py", "d"),
    ]
    concatenate(write_corpus(tmp_path / "in", [batch(files)]), str(tmp_path / "out"), max_chars=1000)
    rows = Corpus(tmp_path / "out").table().to_pylist()
    assert [row["id"] for row in rows] == [f"r#{number}" for number in range(len(rows))]
    assert max(len(row["text"]) for row in rows) <= 1000
    assert all(row["text"].startswith("<repo_name>r<file_sep>") for row in rows)
    assert [row["file_ids"] for row in rows[:3]] == [["0"], ["1"], ["2"]]
    pieces = [piece for row in rows for piece in row["text"].split(FILE_SEP)[1:]]
    cut = [piece.removeprefix("c.py\n") for piece in pieces if piece.startswith("c.py\n")]
    assert "".join(cut) == large
    assert all(piece.endswith("\n") for piece in cut)


def test_some_repositories_go_without_names_and_the_same_ones_every_time(tmp_path: Path) -> None:
    files: list[tuple[str, str | None, str, str | None]] = [(f"{n}", f"r{n}", "a.py", "x\n") for n in range(400)]
    source = write_corpus(tmp_path / "in", [batch(files)])
    for out in ("one", "two"):
        concatenate(source, str(tmp_path / out), named=0.5, seed=1)
    first, second = (Corpus(tmp_path / out).table()["text"].to_pylist() for out in ("one", "two"))
    bare = sum(text == "<file_sep>x\n" for text in first)
    assert 160 < bare < 240  # four standard deviations around 200
    assert first == second


def test_revisions_of_a_repository_are_kept_apart(tmp_path: Path) -> None:
    files: list[tuple[str, str | None, str, str | None]] = [("1", "r", "a.py", "x"), ("2", "r", "a.py", "y")]
    concatenate(write_corpus(tmp_path / "in", [batch(files, revision_id=["1.0", "2.0"])]), str(tmp_path / "out"))
    found = Corpus(tmp_path / "out").table().to_pylist()
    assert {row["id"]: row["file_ids"] for row in found} == {"r@1.0#0": ["1"], "r@2.0#0": ["2"]}


NAMES = st.sampled_from(["a", "b", "c/d", None])
TEXTS = st.one_of(st.none(), st.text(max_size=1500), st.sampled_from(["x\n" * 700, "", "é" * 999]))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.sampled_from(["x.py", "y/z.c", "é.md"]), TEXTS), min_size=1, max_size=25),
    st.integers(1, 9),
    st.randoms(use_true_random=False),
)
def test_any_split_and_order_gives_the_same_bytes_and_every_file_once(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str | None, str, str | None]], rows: int, random: object
) -> None:
    folder = tmp_path_factory.mktemp("concatenate")
    numbered = [(f"{number}", *file) for number, file in enumerate(files)]
    shuffled = sorted(numbered, key=lambda file: random.random())  # type: ignore[attr-defined]
    written = []
    for name, order, size in (("one", numbered, 1000), ("many", shuffled, rows)):
        pieces = [batch(order[start : start + size]) for start in range(0, len(order), size)]
        source = write_corpus(folder / f"in-{name}", pieces, shard_rows=size)
        done = concatenate(Corpus(source.path, split_bytes=1), str(folder / name), max_chars=1000)
        assert done.files + done.without_text == len(files)
        written.append([path.read_bytes() for path in sorted((folder / name).glob("*.parquet"))])
    assert written[0] == written[1]
    found = Corpus(folder / "one").table().to_pylist()
    assert {name for row in found for name in row["file_ids"]} == {n for n, _, _, text in numbered if text is not None}
    assert all(len(row["text"]) <= 1000 for row in found)


def test_the_same_call_again_changes_nothing_and_another_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "in", [batch(FILES)])
    concatenate(source, str(tmp_path / "out"))
    before = (tmp_path / "out" / "00000.parquet").read_bytes()
    concatenate(source, str(tmp_path / "out"))
    assert (tmp_path / "out" / "00000.parquet").read_bytes() == before
    with pytest.raises(ValueError, match="was made by another recipe"):
        concatenate(source, str(tmp_path / "out"), by="file")
    with pytest.raises(ValueError, match="by repo or by file"):
        concatenate(source, str(tmp_path / "x"), by="folder")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"named=50: .* between 0 and 1"):
        concatenate(source, str(tmp_path / "x"), named=50)
    with pytest.raises(ValueError, match=r"max_chars=10: .* 1,000 or more"):
        concatenate(source, str(tmp_path / "x"), max_chars=10)
    with pytest.raises(ValueError, match="no column 'repo_name'"):
        concatenate(write_corpus(tmp_path / "web", [batch(FILES).select(["text", "id"])]), str(tmp_path / "x"))


def test_another_corpus_into_the_same_folder_is_refused_and_leaves_no_mixture(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "in", [batch(FILES)])
    fewer = write_corpus(tmp_path / "fewer", [batch(FILES[:2])])
    changed = write_corpus(tmp_path / "changed", [batch([*FILES[:4], ("5", None, "alone.py", "y = 3\n")])])
    concatenate(source, str(tmp_path / "out"))
    before = (tmp_path / "out" / "00000.parquet").read_bytes()
    for other in (fewer, changed):
        with pytest.raises(ValueError, match="was made from another input"):
            concatenate(other, str(tmp_path / "out"))
    assert (tmp_path / "out" / "00000.parquet").read_bytes() == before


def test_files_of_no_repository_are_drawn_one_by_one(tmp_path: Path) -> None:
    files: list[tuple[str, str | None, str, str | None]] = [(f"{n}", None, "a.py", "x\n") for n in range(400)]
    concatenate(write_corpus(tmp_path / "in", [batch(files)]), str(tmp_path / "out"), named=0.5, seed=1)
    bare = Corpus(tmp_path / "out").table()["text"].to_pylist().count("<file_sep>x\n")
    assert 160 < bare < 240  # four standard deviations around 200


def test_the_verb_reads_a_folder_of_repositories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b.py", "a.py", "LICENSE"):
        (tmp_path / "in" / "r").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "r" / name).write_text(f"# {name}\n")
    verb(str(tmp_path / "in"), out=str(tmp_path / "out"))
    assert capsys.readouterr().out.split() == ["files", "2", "without", "text", "0", "documents", "1"]
    assert Corpus(tmp_path / "out").table()["text"].to_pylist() == [
        "<repo_name>r<file_sep>a.py\n# a.py\n<file_sep>b.py\n# b.py\n"
    ]


def test_a_list_of_licences_all_hold(tmp_path: Path) -> None:
    rows = {"text": ["x"], "id": ["1"], "repo_name": ["a/b"], "path": ["x.py"], "license": [["MIT", "ISC"]]}
    concatenate(write_corpus(tmp_path / "in", [pa.RecordBatch.from_pydict(rows)]), str(tmp_path / "out"))
    assert Corpus(tmp_path / "out").table()["license"].to_pylist() == ["MIT AND ISC"]


def test_receipts_count_files_in_and_documents_out_and_the_ledger_tells_them(tmp_path: Path) -> None:
    """Files that are cut make more documents than files; what is without text is told; nothing counts as dropped."""
    bare: list[tuple[str, str | None, str, str | None]] = [("6", "a/b", "none.py", None)]
    write_corpus(tmp_path / "in", [batch([*FILES, *bare])])
    concatenate(Corpus(tmp_path / "in"), str(tmp_path / "run/1-joined"))
    name = "concatenate(by='repo', max_chars=65536, named=1.0, seed=0)"
    assert [(line.step, line.documents, line.text_bytes) for line in funnel(str(tmp_path / "run"))] == [
        ("input", 6, 28),
        ("with text", 5, 28),
        (name, 3, 88 + 34 + 25),
    ]
    large: list[tuple[str, str | None, str, str | None]] = [(f"{n}", "r", f"{n}.py", "x = 1\n" * 500) for n in range(3)]
    concatenate(write_corpus(tmp_path / "large", [batch(large)]), str(tmp_path / "run/2-cut"), max_chars=1000)
    tally = recipe(str(tmp_path / "run/2-cut")).tally  # type: ignore[union-attr]
    assert (tally.rows_in, tally.num_dropped, tally.joined) == (3, 0, 3 - Corpus(tmp_path / "run/2-cut").num_rows)
    assert verify([str(tmp_path / "run")]).damaged == {}


def test_shards_count_the_files_that_begin_in_them(tmp_path: Path) -> None:
    files: list[tuple[str, str | None, str, str | None]] = [
        (f"{n}", f"r{n // 2}", f"{n}.py", "x\n") for n in range(8400)
    ]
    concatenate(write_corpus(tmp_path / "in", [batch(files)]), str(tmp_path / "out"))
    steps = [(receipt or {})["tally"]["steps"] for receipt in Corpus(tmp_path / "out").receipts().values()]
    assert [(before[1], after[1]) for before, after in steps] == [(8192, 4096), (208, 104)]
    assert verify([str(tmp_path / "out")]).damaged == {}
