import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus, write_corpus
from curate.dedup import MinHash, TooMuchRemovedError, dedup

EXHAUSTIVE = MinHash(bands=64, rows=1)  # misses a pair of J = .5 once in 2^64
NO_LIMIT = {"max_source_loss": 1.0, "max_cluster": 10**9}


def corpus_of(folder: Path, table: pa.Table, shard_rows: int = 100_000) -> Corpus:
    parts = table.to_batches(max_chunksize=shard_rows)
    return write_corpus(folder, parts, schema=table.schema, shard_rows=shard_rows)


def kept(out: Path) -> dict[str, int]:
    table = Corpus(out).table(["id", "minhash_cluster_size"])
    return dict(zip(table["id"].to_pylist(), table["minhash_cluster_size"].to_pylist(), strict=True))


def dropped(out: Path) -> dict[str, dict[str, object]]:
    files = sorted((out / "dropped").glob("**/*.parquet"))
    return {row["id"]: row for file in files for row in pq.read_table(file).to_pylist()}


def long_text(random: Random, num_words: int = 104) -> list[str]:
    return [f"w{random.getrandbits(40):x}" for _ in range(num_words)]


def changed(text: list[str], *places: int) -> list[str]:
    return ["changed" + str(i) if i in places else word for i, word in enumerate(text)]


def test_the_best_copy_survives_and_every_removed_row_names_it(tmp_path, documents):
    base = long_text(Random(1))
    near = changed(base, 50)  # 95 of 105 shingles shared
    texts = [" ".join(base), " \n".join(base), " ".join(near), " ".join(long_text(Random(2)))]
    table = documents(texts, url=["u0", "u1", "u2", "u3"], score=[2.0, 3.5, 3.0, 1.0])
    report = dedup(corpus_of(tmp_path / "in", table), tmp_path / "out")
    assert kept(tmp_path / "out") == {"b": 3, "d": 1}
    gone = dropped(tmp_path / "out")
    assert gone["a"] == {
        "id": "a", "url": "u0", "score": 2.0, "dropped_by": ["dedup.exact"], "dedup.survivor": "b",
        "dedup.similarity": 1.0, "dedup.band": -1,
    }  # fmt: skip
    assert gone["c"]["dropped_by"] == ["dedup.near"]
    assert gone["c"]["dedup.survivor"] == "b"
    assert gone["c"]["dedup.similarity"] == pytest.approx(95 / 105)
    assert 0 <= gone["c"]["dedup.band"] < 14
    assert (report.num_rows, report.num_kept, report.num_exact, report.num_near) == (4, 2, 1, 1)
    assert report.largest_cluster == 3
    assert not (tmp_path / "out" / "_work").exists()


@pytest.mark.parametrize(("key", "survivor"), [("score", "a"), ("edu", "b"), (None, "b")])
def test_the_declared_key_ranks_copies_and_length_decides_without_one(tmp_path, documents, key, survivor):
    table = documents(["same text", "same  text"], score=[2.0, 1.0], edu=[1.0, 2.0])
    dedup(corpus_of(tmp_path / "in", table), tmp_path / "out", key=key, **NO_LIMIT)
    assert kept(tmp_path / "out") == {survivor: 2}


def test_case_6_a_chain_keeps_the_end_that_is_no_neighbour_of_the_survivor(tmp_path, documents):
    a = long_text(Random(3))
    b = changed(a, 20, 30)  # J(a, b) = 90/110 = .82
    c = changed(b, 60, 70)  # J(b, c) = .82, J(a, c) = 80/120 = .67
    texts = [" ".join(text) for text in (a, b, c)]
    table = documents(texts, score=[3.0, 2.0, 1.0])
    dedup(corpus_of(tmp_path / "in", table), tmp_path / "out", settings=EXHAUSTIVE, **NO_LIMIT)
    assert kept(tmp_path / "out") == {"a": 2, "c": 1}


def family(random: Random, size: int) -> list[str]:
    """A text and copies of it with up to seven words changed: J from 1 down to .48 to the first, less to each other."""
    base = long_text(random)
    copies = [changed(base, *random.sample(range(4, 100, 5), random.randrange(8))) for _ in range(size - 1)]
    return [" ".join(base), *(" ".join(copy) for copy in copies)]


def crowd(documents, seed: int) -> pa.Table:
    random = Random(seed)
    texts = [text for _ in range(10) for text in family(random, random.randrange(1, 8))]
    texts += [*random.choices(texts, k=5), "", "...", "one", "one two", "One  two"]
    return documents(texts, score=[random.choice([1.0, 2.0, None]) for _ in texts])


def by_definition(table: pa.Table, reference, threshold: float) -> dict[str, str | None]:
    """Each id's survivor, None where it stays: every pair compared, in Python sets."""
    rows = table.to_pylist()
    rows.sort(key=lambda row: (-(row["score"] or float("-inf")), -len(row["text"].encode()), row["id"]))
    survivor: dict[str, str | None] = {}
    for i, row in enumerate(rows):
        better = (other for other in rows[:i] if survivor[other["id"]] is None)
        copies = (
            other["id"]
            for other in better
            if other["text"].split() == row["text"].split()
            or reference.jaccard(other["text"], row["text"]) >= threshold
        )
        survivor[row["id"]] = next(copies, None)
    return survivor


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_result_equals_the_definition_when_bands_find_every_pair(tmp_path, documents, reference, seed):
    table = crowd(documents, seed)
    dedup(corpus_of(tmp_path / "in", table), tmp_path / "out", settings=EXHAUSTIVE, threshold=0.7, **NO_LIMIT)
    expected = by_definition(table, reference, 0.7)
    assert set(kept(tmp_path / "out")) == {name for name, other in expected.items() if other is None}
    gone = dropped(tmp_path / "out")
    assert {name: row["dedup.survivor"] for name, row in gone.items()} == {k: v for k, v in expected.items() if v}
    texts = dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))
    for name, row in gone.items():
        similarity = reference.jaccard(texts[name], texts[row["dedup.survivor"]])
        assert row["dedup.similarity"] == pytest.approx(similarity or 1.0)  # texts without words leave as exact copies
        assert (row["dedup.band"] >= 0) == (row["dropped_by"] == ["dedup.near"])


def test_case_7_the_order_of_documents_and_shards_does_not_change_the_result(tmp_path, documents):
    table = crowd(documents, 4)
    results = []
    for seed in range(5):
        order = Random(seed).sample(range(len(table)), len(table))
        shuffled = corpus_of(tmp_path / f"in{seed}", table.take(order), shard_rows=5 + 20 * seed)
        dedup(shuffled, tmp_path / f"out{seed}", **NO_LIMIT)
        evidence = {k: (v["dedup.survivor"], v["dropped_by"]) for k, v in dropped(tmp_path / f"out{seed}").items()}
        results.append((kept(tmp_path / f"out{seed}"), evidence))
    assert all(result == results[0] for result in results)
    assert results[0][1]


def test_cluster_sizes_add_up_and_shards_keep_their_names_rows_order_and_columns(tmp_path, documents):
    table = crowd(documents, 5)
    source = corpus_of(tmp_path / "in", table, shard_rows=20)
    dedup(source, tmp_path / "out", **NO_LIMIT)
    out = Corpus(tmp_path / "out")
    assert [split.name for split in out.splits()] == [split.name for split in source.splits()]
    assert out.schema.names == ["id", "text", "score", "minhash_cluster_size"]
    assert sum(kept(tmp_path / "out").values()) == len(table)
    for split in source.splits():
        before = [row for batch in source.read(split) for row in batch["id"].to_pylist()]
        after = pq.read_table(tmp_path / "out" / f"{split.name}.parquet")["id"].to_pylist()
        assert after == [name for name in before if name in set(after)]


def test_text_of_dropped_rows_is_kept_on_request(tmp_path, documents):
    source = corpus_of(tmp_path / "in", documents(["x", "x"]))
    dedup(source, tmp_path / "out", keep_text=True, **NO_LIMIT)
    assert dropped(tmp_path / "out")["b"]["text"] == "x"


def test_case_5_ten_thousand_pages_of_one_template_stop_the_run_and_are_shown(tmp_path, documents):
    field = 30
    words = long_text(Random(6), 70)
    texts = [" ".join([*words[:field], f"item{i}", *words[field:]]) for i in range(10_000)]
    table = documents(texts, url=[f"https://shop.example/{i}" for i in range(10_000)])
    source = corpus_of(tmp_path / "in", table)
    with pytest.raises(TooMuchRemovedError, match=r"shop\.example would lose 9,\d+ of its 10,000 documents") as stop:
        dedup(source, tmp_path / "out")
    assert " ".join(words[:10]) in str(stop.value)
    assert "allow=('shop.example', 'the whole corpus', 'd01000')" in str(stop.value)
    assert not list((tmp_path / "out").glob("*.parquet"))
    report = dedup(source, tmp_path / "out", allow=("shop.example", "the whole corpus", "d01000"))
    assert report.num_kept < 20  # J = .87 to the best one, which bands find 99 times in 100
    assert report.num_compared < 50_000  # not 50 million


def test_case_10_a_repository_that_loses_more_than_its_share_stops_the_run(tmp_path, documents):
    random = Random(7)
    texts = [" ".join(long_text(random)) for _ in range(100)]
    table = documents(texts * 2, repo_name=["vendored/copy"] * 100 + ["origin/code"] * 100)
    source = corpus_of(tmp_path / "in", table)
    with pytest.raises(TooMuchRemovedError, match="origin/code would lose 100 of its 100"):
        dedup(source, tmp_path / "out", max_source_loss=0.6)
    dedup(source, tmp_path / "out", max_source_loss=0.6, allow=["origin/code"])
    assert len(kept(tmp_path / "out")) == 100


def test_odd_documents_have_a_defined_outcome(tmp_path, documents):
    long = " ".join(f"w{i}" for i in range(2_000_000))  # 17 MB in one line
    texts = ["", None, "...", "!!!", "token", "Token!", "nul\x00 byte", "nul byte", "שלום עולם", "שלום, עולם",
             "line\r\nend", "line\nend", long, long + " more"]  # fmt: skip
    dedup(corpus_of(tmp_path / "in", documents(texts)), tmp_path / "out", **NO_LIMIT)
    gone = {k: (v["dedup.survivor"], v["dropped_by"][0]) for k, v in dropped(tmp_path / "out").items()}
    assert gone == {
        "b": ("a", "dedup.exact"),  # no text and empty text
        "e": ("f", "dedup.near"),  # the same words; the longer text stays
        "h": ("g", "dedup.near"),  # NUL is no word character
        "i": ("j", "dedup.near"),
        "l": ("k", "dedup.exact"),
        "m": ("n", "dedup.near"),
    }  # "..." and "!!!" have no words: never near anything


def test_on_real_code_every_removed_file_is_near_its_survivor(tmp_path, reference, shared_data):
    with pq.ParquetFile(shared_data / "code" / "code.parquet") as file:
        table = file.read_row_groups([0, 8, 16], columns=["id", "text", "path"])
    report = dedup(corpus_of(tmp_path / "in", table), tmp_path / "out", **NO_LIMIT)
    texts = dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))
    gone = dropped(tmp_path / "out")
    assert len(gone) == report.num_exact + report.num_near > 20
    for row in gone.values():
        text, survivor = texts[row["id"]], texts[row["dedup.survivor"]]
        assert len(survivor.encode()) >= len(text.encode())
        if row["dropped_by"] == ["dedup.exact"]:
            assert text.split() == survivor.split()
        elif len(text) < 10_000:  # the reference is slow
            assert row["dedup.similarity"] == pytest.approx(reference.jaccard(text, survivor))
            assert row["dedup.similarity"] >= 0.8


def test_an_empty_corpus_gives_an_empty_corpus(tmp_path, documents):
    source = corpus_of(tmp_path / "in", documents([]).cast(pa.schema([("id", pa.string()), ("text", pa.string())])))
    assert dedup(source, tmp_path / "out").num_rows == 0
    assert kept(tmp_path / "out") == {}


def test_other_settings_or_another_input_into_the_same_folder_are_refused(tmp_path, documents):
    source = corpus_of(tmp_path / "in", documents(["x", "y"]))
    first = dedup(source, tmp_path / "out")
    assert dedup(source, tmp_path / "out") == first
    with pytest.raises(ValueError, match="made with other settings or from another input"):
        dedup(source, tmp_path / "out", threshold=0.9)
    with pytest.raises(ValueError, match="made with other settings or from another input"):
        dedup(corpus_of(tmp_path / "more", documents(["x", "y", "z"])), tmp_path / "out")
    with pytest.raises(ValueError, match="is the input"):
        dedup(source, tmp_path / "in")


def test_missing_columns_and_bad_thresholds_are_named(tmp_path, documents):
    source = corpus_of(tmp_path / "in", documents(["x"]))
    with pytest.raises(ValueError, match=r"no column 'edu'.*it has id, text"):
        dedup(source, tmp_path / "out", key="edu")
    with pytest.raises(ValueError, match="threshold=80"):
        dedup(source, tmp_path / "out", threshold=80)
    with pytest.raises(ValueError, match="rows without 'id'"):
        dedup(corpus_of(tmp_path / "null", pa.table({"id": pa.nulls(1, pa.string()), "text": ["x"]})), tmp_path / "out")


def test_a_local_ray_gives_the_same_bytes(tmp_path, documents, local_ray):
    source = corpus_of(tmp_path / "in", crowd(documents, 8), shard_rows=15)
    here = dedup(source, tmp_path / "here", **NO_LIMIT)
    assert dedup(source, tmp_path / "there", ray=local_ray, **NO_LIMIT) == here
    assert files(tmp_path / "there") == files(tmp_path / "here")


RUN = """
import sys
from curate.corpus import Corpus
from curate.dedup import dedup
if sys.argv[3] == "large":
    import importlib
    importlib.import_module("curate.dedup.dedup").HELD_SHARE = 0  # too large to be held, so all goes through files
dedup(Corpus(sys.argv[1]), sys.argv[2], max_source_loss=1.0)
"""


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "_log")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


PHASES = ["sorted", "buckets/near", "edges/01", "answered"]


@pytest.mark.parametrize(
    ("size", "phase"),
    [
        ("small", "*.parquet"),
        ("large", "_work/*/signed/*.parquet"),
        ("large", "_work/*/decided-*/*"),
        *(("large", f"_work/*/decide-*/{name}/*") for name in PHASES),
    ],
)
def test_a_run_killed_in_any_phase_resumes_to_the_same_bytes(tmp_path, documents, size, phase):
    source, out = corpus_of(tmp_path / "in", crowd(documents, 9), shard_rows=2), tmp_path / "out"
    for _ in range(20):  # a phase takes milliseconds, and this process may sleep through it
        process = subprocess.Popen([sys.executable, "-c", RUN, tmp_path / "in", out, size], stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(out.glob(phase))) < (1 if "decide-" in phase else 3):
            time.sleep(0.001)
        process.kill()
        if process.wait() == -signal.SIGKILL and len(list(out.glob("*.parquet"))) < len(source.files):
            break
        shutil.rmtree(out)
    assert out.exists(), "no kill in twenty came in time"
    assert (out / "_work").exists() == (size == "large")
    resumed, whole = dedup(source, out, max_source_loss=1.0), dedup(source, tmp_path / "whole", max_source_loss=1.0)
    left = {name: data for name, data in files(out).items() if not name.endswith(".tmp")}
    assert left == files(tmp_path / "whole")
    assert resumed == whole


def test_columns_of_a_wrong_type_and_an_output_inside_the_input_are_named(tmp_path, documents):
    graded = write_corpus(tmp_path / "graded", documents(["x", "y"], score=["good", "bad"]).to_batches())
    with pytest.raises(ValueError, match=r"'score' of .*, which ranks copies, is of type string; write it as numbers"):
        dedup(graded, str(tmp_path / "out"))
    empty = pa.table({"id": ["a"], "text": pa.nulls(1)})
    with pytest.raises(ValueError, match=r"'text' of .* is of type null; write texts as strings"):
        dedup(write_corpus(tmp_path / "empty", empty.to_batches()), str(tmp_path / "out"))
    source = write_corpus(tmp_path / "in", documents(["x", "y"]).to_batches())
    with pytest.raises(ValueError, match="inside of the input and would become part of it"):
        dedup(source, str(tmp_path / "in" / "unique"))
    assert len(dedup(source, str(tmp_path / "in" / "_unique")).ranked_by) == 2


def test_a_full_disk_says_which_phase_stopped_and_the_next_run_goes_on(tmp_path, documents):
    source = write_corpus(tmp_path / "in", documents([f"text {i} of {i * i} words" for i in range(3000)]).to_batches())
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))\n"
    command = [sys.executable, "-c", small + RUN, source.path, str(tmp_path / "out"), "large"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert "out: signing stopped (" in said
    assert "has no room for" in said
    assert "Mend that (free space" in said
    dedup(source, str(tmp_path / "out"))
    dedup(source, str(tmp_path / "whole"))
    assert Corpus(tmp_path / "out").table().equals(Corpus(tmp_path / "whole").table())


def test_an_input_scored_anew_is_another_one_though_it_has_the_same_sizes(tmp_path, documents):
    random = Random(9)
    texts = [" ".join(f"w{random.getrandbits(30):x}" for _ in range(40)) for _ in range(20)] * 2
    first, anew = ([random.random() for _ in texts] for _ in range(2))
    out = tmp_path / "out"
    folder = tmp_path / "in"
    corpus = write_corpus(folder, documents(texts, score=first).to_batches())
    dedup(corpus, out)
    sizes = [(split.num_rows, split.num_bytes) for split in corpus.splits()]
    shutil.rmtree(folder)
    corpus = write_corpus(folder, documents(texts, score=anew).to_batches())
    assert [(split.num_rows, split.num_bytes) for split in corpus.splits()] == sizes
    with pytest.raises(ValueError, match="made with other settings or from another input"):
        dedup(corpus, out)
    shutil.rmtree(out)
    dedup(corpus, out)
    best = {max(anew[i], anew[i + 20]) for i in range(20)}
    assert set(Corpus(out).table(["score"])["score"].to_pylist()) == best
