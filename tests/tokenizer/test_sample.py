import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.tokenizer.sample import DOCUMENT_CHARS, sample, text_bytes


def write(folder, name: str, texts: list[str], **options):
    batch = pa.RecordBatch.from_pydict({"id": [f"{name}{n}" for n in range(len(texts))], "text": texts})
    return write_corpus(folder / name, [batch], **options)


def texts_of(name: str, count: int) -> list[str]:
    return [f"{name} {n} " + "word " * 190 + f"{n * n:040d}" for n in range(count)]  # about 1,000 bytes each


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("sample")
    return {name: write(folder, name, texts_of(name, count)).path for name, count in (("web", 600), ("code", 200))}


def drawn(corpora, size: int, seed: int = 0) -> dict[str, int]:
    """Bytes drawn by the first word of each text."""
    counts: dict[str, int] = {}
    for text in (text for batch in sample(corpora, size, seed) for text in batch):
        name = text.split(" ", 1)[0]
        counts[name] = counts.get(name, 0) + len(text.encode())
    return counts


def test_footers_know_how_much_text_there_is(corpora, tmp_path):
    for name, count in (("web", 600), ("code", 200)):
        size = sum(len(text) for text in texts_of(name, count))
        assert write(tmp_path, name, texts_of(name, count)).num_rows == count
        assert text_bytes(Corpus(corpora[name])) == pytest.approx(size, rel=0.02)


def test_without_weights_every_corpus_gives_the_same_share(corpora):
    counts = drawn(list(corpora.values()), 200_000)
    assert counts["web"] == pytest.approx(150_000, rel=0.25)
    assert counts["code"] == pytest.approx(50_000, rel=0.25)


def test_weights_are_shares_of_the_bytes(corpora):
    counts = drawn({corpora["web"]: 1.0, corpora["code"]: 3.0}, 160_000)
    assert counts["web"] == pytest.approx(40_000, rel=0.35)
    assert counts["code"] == pytest.approx(120_000, rel=0.2)


def test_a_corpus_smaller_than_its_share_is_taken_whole_and_the_others_make_up_for_it(corpora):
    counts = drawn({corpora["web"]: 1.0, corpora["code"]: 3.0}, 500_000)
    assert counts["code"] == sum(len(text) for text in texts_of("code", 200))
    assert counts["web"] == pytest.approx(300_000, rel=0.15)


def test_long_documents_weigh_what_is_read_of_them(corpora, tmp_path):
    books = [f"book {n} " + "word " * 40_000 for n in range(60)]  # 12 MB, of which 600 kB count
    paths = {corpora["web"]: 1.0, write(tmp_path, "book", books, shard_rows=10).path: 1.0}
    counts = drawn(paths, 600_000)
    assert counts["book"] == pytest.approx(300_000, rel=0.25)
    assert counts["web"] == pytest.approx(300_000, rel=0.15)


def test_a_sample_larger_than_everything_is_everything(corpora):
    everything = {corpora["web"]: 1.0, corpora["code"]: 1.0}
    assert sum(len(batch) for batch in sample(everything, 10**9)) == 800


def test_the_same_documents_come_in_any_shards_and_others_for_another_seed(tmp_path):
    texts = texts_of("web", 300)
    one, many = write(tmp_path, "one", texts), write(tmp_path, "web", texts, shard_rows=20)
    ids = pa.RecordBatch.from_pydict({"id": [f"web{n}" for n in range(300)], "text": texts})
    one = write_corpus(tmp_path / "again", [ids])
    pick = lambda corpus, seed: {t for batch in sample(corpus, 100_000, seed) for t in batch}  # noqa: E731
    assert len(pick(one, 0) ^ pick(many, 0)) <= 2, "the footers of many shards say a little more"
    assert pick(one, 0) == pick(one, 0) != pick(one, 1)


def test_long_documents_count_with_their_beginning(tmp_path):
    book = write(tmp_path, "book", ["x" * 10 * DOCUMENT_CHARS])
    ((text,),) = sample(book, 10**9)
    assert len(text) == DOCUMENT_CHARS


def test_mistakes_are_named(corpora, tmp_path):
    with pytest.raises(ValueError, match="weights must be positive"):
        list(sample({corpora["web"]: 0.0}, 1000))
    with pytest.raises(ValueError, match="no text to learn"):
        list(sample(write(tmp_path, "empty", [""]), 1000))
    strange = write_corpus(tmp_path / "s", [pa.RecordBatch.from_pydict({"id": ["a"], "content": ["b"]})])
    with pytest.raises(ValueError, match="has no column 'text'"):
        list(sample(strange, 1000))
