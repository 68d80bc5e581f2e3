"""Corpora in turn equal one batch in which the older ones win; deletions; kills; refusals."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.corpus import Corpus, write_corpus
from curate.dedup import MinHash, dedup
from curate.dedup.index import delete
from tests.here import python

NO_LIMIT = {"max_source_loss": 1.0, "max_cluster": 10**9}
SMALL = MinHash(bands=16, rows=3, shingle_words=2, threshold=0.6)


def corpus_of(folder: Path, rows: list[dict[str, object]], shard_rows: int = 30) -> Corpus:
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("score", pa.float64())])
    table = pa.Table.from_pylist(rows, schema)
    return write_corpus(folder, table.to_batches(max_chunksize=shard_rows), schema=schema, shard_rows=shard_rows)


def kept(out: Path) -> set[str]:
    return set(Corpus(out).table(["id"])["id"].to_pylist())


def gone(out: Path) -> dict[str, tuple[object, ...]]:
    columns = ("dedup.survivor", "dedup.similarity", "dedup.band")
    rows = [row for file in sorted((out / "dropped").glob("**/*.parquet")) for row in pq.read_table(file).to_pylist()]
    return {row["id"]: (row["dropped_by"], *(row[name] for name in columns)) for row in rows}


def crowd(seed: int, count: int) -> list[dict[str, object]]:
    """Families of near-copies of each other, some of them exact, with few different scores."""
    random = Random(seed)
    rows: list[dict[str, object]] = []
    while len(rows) < count:
        base = [f"w{random.getrandbits(30):x}" for _ in range(random.choice([1, 3, 40, 40, 40]))]
        for _ in range(random.randrange(1, 6)):
            text = [word if random.random() > 0.06 else f"x{random.getrandbits(30):x}" for word in base]
            text = random.choice([base, text, text])
            score = random.choice([1.0, 2.0, None])
            rows.append({"id": f"d{len(rows):04}", "text": " ".join(text), "score": score})
    random.shuffle(rows)
    return rows


def in_turn_and_at_once(folder: Path, parts: list[list[dict[str, object]]], config: MinHash) -> None:
    """Hold corpora added in turn against one batch whose scores put older corpora first."""
    survivors: set[str] = set()
    left: dict[str, tuple[object, ...]] = {}
    for i, part in enumerate(parts):
        dedup(
            corpus_of(folder / f"in{i}", part),
            folder / f"out{i}",
            settings=config,
            index=str(folder / "index"),
            **NO_LIMIT,
        )
        survivors |= kept(folder / f"out{i}")
        left |= gone(folder / f"out{i}")
    batch = [row | {"score": (row["score"] or 0.0) - 10.0 * i} for i, part in enumerate(parts) for row in part]
    dedup(corpus_of(folder / "all", batch), folder / "whole", settings=config, **NO_LIMIT)
    assert survivors == kept(folder / "whole")
    assert left == gone(folder / "whole")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 120), min_size=1, max_size=3))
def test_case_8_dumps_in_turn_equal_one_batch_in_which_older_dumps_win(tmp_path_factory, seed, cuts):
    rows = crowd(seed, 120)
    bounds = [0, *sorted(cuts), len(rows)]
    parts = [rows[a:b] for a, b in pairwise(bounds) if b > a]
    in_turn_and_at_once(tmp_path_factory.mktemp("turn"), parts, SMALL)


def test_case_8_on_real_web_pages(tmp_path, shared_data):
    files = sorted((shared_data / "web").glob("**/*.parquet"))
    texts = [text for text in pq.read_table(files[0], columns=["text"])["text"].to_pylist()[:1500] if text]
    random = Random(5)
    copies = [" ".join(word for word in random.choice(texts).split(" ") if random.random() > 0.004) for _ in range(300)]
    rows = [
        {"id": f"d{i}", "text": text, "score": random.choice([1.0, 2.0, 3.0])} for i, text in enumerate(texts + copies)
    ]
    random.shuffle(rows)
    in_turn_and_at_once(tmp_path, [rows[:700], rows[700:900], rows[900:]], MinHash())


def words(random: Random, count: int = 60) -> list[str]:
    return [f"w{random.getrandbits(40):x}" for _ in range(count)]


def page(name: str, text: list[str], score: float = 1.0) -> dict[str, object]:
    return {"id": name, "text": " ".join(text), "score": score}


def test_an_older_document_stays_although_the_newer_copy_is_better(tmp_path):
    text = words(Random(1))
    dedup(corpus_of(tmp_path / "a", [page("old", text, 1.0)]), tmp_path / "A", index=str(tmp_path / "index"))
    dedup(corpus_of(tmp_path / "b", [page("new", text, 5.0)]), tmp_path / "B", index=str(tmp_path / "index"))
    assert (kept(tmp_path / "A"), kept(tmp_path / "B")) == ({"old"}, set())
    assert gone(tmp_path / "B") == {"new": (["dedup.exact"], "old", 1.0, -1)}


def test_a_dump_added_twice_is_done_already_or_refused(tmp_path):
    source = corpus_of(tmp_path / "a", [page("x", words(Random(1))), page("y", words(Random(2)))])
    first = dedup(source, tmp_path / "A", index=str(tmp_path / "index"))
    before = files(tmp_path)
    assert dedup(source, tmp_path / "A", index=str(tmp_path / "index")) == first
    assert files(tmp_path) == before
    with pytest.raises(ValueError, match=r"is in the index .* already, as 0000-"):
        dedup(source, tmp_path / "again", index=str(tmp_path / "index"))
    assert files(tmp_path / "index") == {
        k.removeprefix("index/"): v for k, v in before.items() if k.startswith("index/")
    }


def test_other_settings_than_the_indexs_are_refused(tmp_path):
    dedup(corpus_of(tmp_path / "a", [page("x", ["a"])]), tmp_path / "A", index=str(tmp_path / "index"))
    source = corpus_of(tmp_path / "b", [page("y", ["b"])])
    for other in ({"settings": MinHash(bands=20)}, {"threshold": 0.9}):
        with pytest.raises(ValueError, match="was made with other settings"):
            dedup(source, tmp_path / "B", index=str(tmp_path / "index"), **other)


def test_a_deleted_document_makes_nothing_leave_any_more_and_names_what_it_had_removed(tmp_path):
    index, text = str(tmp_path / "index"), words(Random(1))
    near = [*text[:30], "changed", *text[31:]]
    other = words(Random(2))
    dedup(
        corpus_of(tmp_path / "a", [page("s", text, 2.0), page("d", near), page("o", other)]),
        tmp_path / "A",
        index=index,
    )
    assert gone(tmp_path / "A").keys() == {"d"}
    found = delete(index, ["s", "d", "nobody"])
    assert (found.num_deleted, found.num_left, found.unknown, found.num_freed) == (1, 1, ("nobody",), 1)
    assert pq.read_table(tmp_path / "index" / "freed.parquet").to_pylist() == [{"id": "d", "survivor": "s"}]
    dedup(corpus_of(tmp_path / "b", [page("e", text), page("f", other)]), tmp_path / "B", index=index, **NO_LIMIT)
    assert kept(tmp_path / "B") == {"e"}
    assert gone(tmp_path / "B")["f"][1] == "o"
    dedup(corpus_of(tmp_path / "c", [page("d", near)]), tmp_path / "C", index=index)  # the freed one, run again
    assert gone(tmp_path / "C")["d"][1] == "e"  # which took the deleted one's place
    assert delete(index, ["s"]).num_deleted == 0
    with pytest.raises(FileNotFoundError, match=r"holds no index\.parquet"):
        delete(str(tmp_path / "elsewhere"), ["s"])


def test_after_a_deletion_later_dumps_see_an_index_without_the_deleted_documents(tmp_path):
    rows = crowd(7, 90)
    index = str(tmp_path / "index")
    dedup(corpus_of(tmp_path / "a", rows[:45]), tmp_path / "A", settings=SMALL, index=index, **NO_LIMIT)
    deleted = sorted(kept(tmp_path / "A"))[::3]
    delete(index, deleted)
    dedup(corpus_of(tmp_path / "b", rows[45:]), tmp_path / "B", settings=SMALL, index=index, **NO_LIMIT)
    published = [row for row in rows[:45] if row["id"] in kept(tmp_path / "A") - set(deleted)]
    without = str(tmp_path / "without")
    dedup(corpus_of(tmp_path / "c", published), tmp_path / "C", settings=SMALL, index=without, **NO_LIMIT)
    dedup(corpus_of(tmp_path / "b", rows[45:]), tmp_path / "D", settings=SMALL, index=without, **NO_LIMIT)
    assert kept(tmp_path / "B") == kept(tmp_path / "D")
    assert gone(tmp_path / "B") == gone(tmp_path / "D")


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "_log")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


RUN = """
import sys
from curate.corpus import Corpus
from curate.dedup import dedup
dedup(Corpus(sys.argv[1]), sys.argv[2], index=sys.argv[3], max_source_loss=1.0)
"""


@pytest.mark.parametrize(
    "mark", ["out1/_work/*/signed/*", "out1/*.parquet", "index/0001-*/documents/*", "index/0001-*/near/*"]
)
def test_a_killed_merge_leaves_the_old_index_or_the_new_one_and_resumes_to_the_same_bytes(tmp_path, mark):
    rows = crowd(3, 160)
    for place in ("killed", "whole"):
        first, second = (corpus_of(tmp_path / place / f"in{i}", rows[80 * i : 80 * i + 80], 5) for i in range(2))
        dedup(first, tmp_path / place / "out0", index=str(tmp_path / place / "index"), **NO_LIMIT)
    dedup(second, tmp_path / "whole" / "out1", index=str(tmp_path / "whole" / "index"), **NO_LIMIT)
    folder = tmp_path / "killed"
    old = (folder / "index" / "index.parquet").read_bytes()
    arguments = [folder / "in1", folder / "out1", folder / "index"]
    process = subprocess.Popen([sys.executable, "-c", RUN, *arguments], stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list(folder.glob(mark))) < 2:
        time.sleep(0.0005)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    new = (tmp_path / "whole" / "index" / "index.parquet").read_bytes()
    assert (folder / "index" / "index.parquet").read_bytes() in (old, new)
    dedup(Corpus(folder / "in1"), folder / "out1", index=str(folder / "index"), **NO_LIMIT)
    assert files(folder) == files(tmp_path / "whole")


def test_a_run_that_was_held_against_another_index_is_not_mixed_with_it(tmp_path):
    index = str(tmp_path / "index")
    text = words(Random(1))
    dedup(corpus_of(tmp_path / "a", [page("x", text)]), tmp_path / "A", index=index)
    dedup(corpus_of(tmp_path / "b", [page("y", words(Random(2)))]), tmp_path / "B", index=index)
    with pytest.raises(ValueError, match="made with other settings or from another input"):
        dedup(corpus_of(tmp_path / "c", [page("z", text)]), tmp_path / "B", index=index)


def test_what_a_killed_merge_left_is_not_used_by_a_run_that_ranks_otherwise(tmp_path):
    source, index = corpus_of(tmp_path / "in", crowd(3, 120)), tmp_path / "index"
    dedup(source, tmp_path / "A", settings=SMALL, index=str(index), **NO_LIMIT)
    (index / "index.parquet").unlink()  # as if killed before the act that counts
    dedup(source, tmp_path / "B", settings=SMALL, index=str(index), key=None, **NO_LIMIT)
    (layer,) = pq.read_table(index / "index.parquet")["layer"].to_pylist()
    assert kept(tmp_path / "A") != kept(tmp_path / "B")
    assert set(pq.read_table(index / layer / "documents")["id"].to_pylist()) == kept(tmp_path / "B")


def test_of_two_merges_at_once_the_later_is_refused_and_runs_again(tmp_path):
    text, index = words(Random(1)), str(tmp_path / "index")
    first = corpus_of(tmp_path / "a", [page("x", text), page("z", [*text[:-1], "other"])])
    second = corpus_of(tmp_path / "b", [page("y", text, 2.0)])

    def meanwhile(_: object) -> None:
        dedup(second, tmp_path / "B", index=index)

    with pytest.raises(ValueError, match=r"changed by another run meanwhile.* delete its output folder and run"):
        dedup(first, tmp_path / "A", index=index, on_plan=meanwhile)
    with pytest.raises(ValueError, match=r"held against another state of the index.* Delete this output folder"):
        dedup(first, tmp_path / "A", index=index)
    shutil.rmtree(tmp_path / "A")
    dedup(first, tmp_path / "A", index=index)
    assert (kept(tmp_path / "B"), kept(tmp_path / "A")) == ({"y"}, set())


def test_deletions_at_once_all_count(tmp_path):
    index = str(tmp_path / "index")
    dedup(corpus_of(tmp_path / "a", [page(f"d{i}", words(Random(i))) for i in range(12)]), tmp_path / "A", index=index)
    with ThreadPoolExecutor(12) as pool:
        done = list(pool.map(lambda i: delete(index, [f"d{i}"]).num_deleted, range(12)))
    assert done == [1] * 12
    assert delete(index, [f"d{i}" for i in range(12)]).num_deleted == 0


def test_an_index_that_cannot_be_written_is_an_error_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"the index .*file cannot be written .*File exists"):
        dedup(corpus_of(tmp_path / "a", [page("x", ["x"])]), tmp_path / "A", index=str(tmp_path / "file"))
    assert not (tmp_path / "A").exists()


def test_the_index_says_its_cost_and_holds_the_sets_it_verifies_with(tmp_path):
    rows = [page(f"d{i}", words(Random(i), 200)) for i in range(400)]
    report = dedup(corpus_of(tmp_path / "a", rows), tmp_path / "A", index=str(tmp_path / "index"))
    size = sum(path.stat().st_size for path in (tmp_path / "index").rglob("*.parquet"))
    assert report.plan is not None
    assert size / 400 < 1.25 * (28 * 14 + 100 + 8 * 196)
    (layer,) = (tmp_path / "index").glob("0000-*")
    documents = pq.read_table(layer / "documents")
    assert documents.num_rows == 400
    assert set(np.diff(documents["shingles"].combine_chunks().offsets.to_numpy())) == {196}


def test_a_local_ray_gives_the_same_index(tmp_path, local_ray):
    rows = crowd(11, 80)
    for place, ray in (("here", None), ("there", local_ray)):
        for i in range(2):
            source = corpus_of(tmp_path / place / f"in{i}", rows[40 * i : 40 * i + 40], 10)
            dedup(source, tmp_path / place / f"out{i}", index=str(tmp_path / place / "index"), ray=ray, **NO_LIMIT)
    assert files(tmp_path / "there") == files(tmp_path / "here")


def test_an_index_and_its_scratch_may_lie_on_a_remote_file_system(tmp_path):
    text = words(Random(1))
    source = corpus_of(tmp_path / "a", [page("x", text, 2.0), page("y", [*text[:30], "changed", *text[31:]])])
    dedup(source, "memory://dedup/A", index="memory://dedup/index")
    again = corpus_of(tmp_path / "b", [page("z", text)])
    dedup(again, "memory://dedup/B", index="memory://dedup/index")
    assert Corpus("memory://dedup/A").table(["id"])["id"].to_pylist() == ["x"]
    assert Corpus("memory://dedup/B").table(["id"])["id"].to_pylist() == []


def test_the_command_line_adds_a_dump_and_deletes_ids(tmp_path):
    text = words(Random(1))
    corpus_of(tmp_path / "a", [page("x", text), page("y", words(Random(2)))])
    (tmp_path / "ids.txt").write_text("x\n\nnobody\n")

    def curate(*arguments: str) -> str:
        found = python("-m", "curate.cli", "dedup", *arguments, cwd=tmp_path)
        return found.stderr + found.stdout

    said = curate("a", "-o", "A", "--index", "index", "--memory", "1")
    assert said.startswith("plan: 2 documents, ")
    assert "2 documents: 2 stay" in said
    assert "1 documents deleted, 0 had left before, 1 ids are unknown (first nobody)" in curate(
        "--index", "index", "--delete", "ids.txt"
    )
    assert "curate: give a corpus and --out" in curate("a")
    assert "cannot hold 2 documents" in curate("a", "-o", "B", "--memory", "0.1")
