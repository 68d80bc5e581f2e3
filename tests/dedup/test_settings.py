"""The settings, through a whole run."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import write_corpus
from curate.dedup import CHARACTERS, FINEWEB, STACK, MinHash, dedup

NO_LIMIT = {"max_source_loss": 1.0, "max_cluster": 10**9}


def run(folder: Path, table: pa.Table, **options: object) -> dict[str, tuple[str, str, float | None]]:
    """Deduplicate; return why each removed id left, for whom and how similar."""
    dedup(write_corpus(folder / "in", table.to_batches()), str(folder / "out"), **NO_LIMIT, **options)
    files = sorted((folder / "out" / "dropped").glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    return {row["id"]: (row["dropped_by"][0], row["dedup.survivor"], row["dedup.similarity"]) for row in rows}


def test_the_best_of_the_documents_of_one_url_stays(tmp_path, documents):
    urls = ["http://www.shop.org/a?utm_source=x", "https://shop.org/a/", "https://shop.org/b", None, None, ""]
    texts = [f"text number {word} of this kind" for word in ("one", "two", "three", "four", "five", "six")]
    table = documents(texts, url=urls, score=[1.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    assert run(tmp_path, table, by_url=True) == {"a": ("dedup.url", "b", None)}


def test_without_by_url_addresses_do_not_count_and_with_it_they_must_be_there(tmp_path, documents):
    table = documents(["one", "two"], url=["http://a.org", "http://a.org"])
    assert run(tmp_path, table) == {}
    with pytest.raises(ValueError, match="no column 'url'"):
        dedup(write_corpus(tmp_path / "bare", documents(["x"]).to_batches()), str(tmp_path / "y"), by_url=True)


def test_a_copy_of_a_text_that_left_by_its_url_alone_stays(tmp_path, documents):
    texts = ["another text here", "the same text", "the same text"]
    table = documents(texts, url=["http://a.org", "http://a.org", "http://b.org"], score=[3.0, 2.0, 1.0])
    assert run(tmp_path, table, by_url=True) == {"b": ("dedup.url", "a", None)}


def test_equal_texts_of_one_url_left_as_equal_texts(tmp_path, documents):
    table = documents(["same", "same"], url=["http://a.org", "http://a.org/"])
    assert run(tmp_path, table, by_url=True) == {"b": ("dedup.exact", "a", 1.0)}


def test_containment_lets_an_extract_leave_and_never_the_whole(tmp_path, documents, plant):
    whole = plant(1, 204, 0)[0][0]
    part = " ".join(whole.split()[:150])  # 146 of its 146 shingles are among the 200: J = .73
    settings = MinHash(bands=64, rows=2, similarity="containment", threshold=0.95)
    assert run(tmp_path / "1", documents([whole, part]), settings=settings) == {"b": ("dedup.near", "a", 1.0)}
    best_is_part = documents([whole, part], score=[1.0, 2.0])
    assert run(tmp_path / "2", best_is_part, settings=settings) == {}
    assert run(tmp_path / "3", documents([whole, part]), settings=replace(settings, similarity="jaccard")) == {}


def test_code_is_compared_by_identifiers_with_their_case(tmp_path, documents):
    names = [f"name_{i}" for i in range(60)]
    one = "\n".join(f"{a} = {b}" for a, b in pairwise(names))
    layout = one.replace(" = ", "=").replace("\n", ";\n    ")
    capitals = one.upper()
    gone = run(tmp_path / "stack", documents([one, layout, capitals]), settings=STACK)
    assert gone == {"a": ("dedup.near", "b", 1.0)}
    assert set(run(tmp_path / "web", documents([one, layout, capitals]), settings=FINEWEB)) == {"a", "c"}


def test_a_language_without_spaces_is_compared_by_characters(tmp_path, documents):
    random = Random(5)
    text = "".join(chr(random.randrange(0x4E00, 0x9FFF)) for _ in range(400))
    wrapped = "\n".join(text[i : i + 37] for i in range(0, 400, 37))  # another line length
    edited = text[:200] + "新" + text[201:]  # 9 of 392 shingles differ: J = 383 / 401
    gone = run(tmp_path, documents([wrapped, text, edited]), settings=CHARACTERS)
    assert gone["b"] == ("dedup.near", "a", 1.0)
    assert gone["c"][:2] == ("dedup.near", "a")
    assert gone["c"][2] == pytest.approx(383 / 401)


def test_settings_are_part_of_what_made_a_shard(tmp_path, documents):
    source = write_corpus(tmp_path / "in", documents(["x", "y"], url=["u", "v"]).to_batches())
    dedup(source, str(tmp_path / "out"))
    for other in ({"settings": STACK}, {"by_url": True}, {"settings": MinHash(similarity="containment")}):
        with pytest.raises(ValueError, match="made with other settings"):
            dedup(source, str(tmp_path / "out"), **other)
