import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import write_corpus
from curate.tokenizer.bpe import load_tokenizer, train_tokenizer
from curate.tokenizer.pack import tokenize
from curate.tokenizer.tokens import Tokens

TEXTS = [f"Document {n} tells of {n} things.\n" * (n % 5 + 1) for n in range(30)] + [""]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    batch = pa.RecordBatch.from_pydict({"id": [f"d{n}" for n in range(len(TEXTS))], "text": TEXTS})
    return write_corpus(
        tmp_path_factory.mktemp("corpus"), [batch.slice(0, 10), batch.slice(10, 10), batch.slice(20)], shard_rows=10
    )


@pytest.fixture(scope="module")
def tokenizer(corpus, tmp_path_factory):
    return train_tokenizer(corpus, tmp_path_factory.mktemp("tokenizer"), vocab_size=290)


def files(folder) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "_log")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_documents_follow_one_another_each_with_an_end_mark(corpus, tokenizer, tmp_path):
    tokens = tokenize(corpus, tmp_path, tokenizer=tokenizer, ray="none")
    encoder = load_tokenizer(tokenizer)
    expected = [token for text in TEXTS for token in [*encoder.encode(text).ids, 0]]
    assert tokens.num_tokens == len(expected)
    assert tokens.read(0, tokens.num_tokens).tolist() == expected
    assert tokens.num_bytes == sum(len(text) for text in TEXTS)
    assert tokens.num_documents == len(TEXTS)
    assert tokens.vocab_size == 290
    assert (tmp_path / "00000.bin").stat().st_size == 2 * tokens.offsets[1]


def test_reading_over_the_edge_of_shards_equals_reading_all(corpus, tokenizer, tmp_path):
    tokens = tokenize(corpus, tmp_path, tokenizer=tokenizer, ray="none")
    everything = tokens.read(0, tokens.num_tokens)
    edges = [0, 1, *(int(x) + d for x in tokens.offsets[1:-1] for d in (-1, 0, 1)), tokens.num_tokens]
    for start in edges:
        for stop in [edge for edge in edges if edge >= start]:
            assert np.array_equal(tokens.read(start, stop), everything[start:stop])


def test_every_position_names_its_document(corpus, tokenizer, tmp_path):
    tokens = tokenize(corpus, tmp_path, tokenizer=tokenizer, ray="none")
    encoder = load_tokenizer(tokenizer)
    owners = [f"d{n}" for n, text in enumerate(TEXTS) for _ in range(len(encoder.encode(text).ids) + 1)]
    assert [tokens.document_of(position) for position in range(tokens.num_tokens)] == owners
    with pytest.raises(IndexError, match="has tokens 0 to"):
        tokens.document_of(tokens.num_tokens)


def test_a_lost_index_or_shard_is_made_again_with_the_same_bytes(corpus, tokenizer, tmp_path):
    tokenize(corpus, tmp_path, tokenizer=tokenizer, ray="none")
    before = files(tmp_path)
    (tmp_path / "00001.parquet").unlink()  # killed between the shard and its index
    (tmp_path / "00002.bin").unlink()
    (tmp_path / "00000.bin").touch()
    tokenize(corpus, tmp_path, tokenizer=tokenizer, ray="none")
    assert files(tmp_path) == before


def test_ray_writes_the_same_bytes(corpus, tokenizer, tmp_path, local_ray):
    tokenize(corpus, tmp_path / "here", tokenizer=tokenizer, ray="none")
    tokenize(corpus, tmp_path / "ray", tokenizer=tokenizer, ray=local_ray, workers=2)
    assert files(tmp_path / "ray") == files(tmp_path / "here")


def test_the_receipt_is_in_the_footer_of_the_index(corpus, tokenizer, tmp_path):
    tokens = tokenize(corpus, tmp_path, tokenizer=tokenizer, ray="none")
    index = pq.read_table(tmp_path / "00000.parquet")
    assert index.column_names == ["id", "start", "stop"]
    receipt = tokens.receipts[0]
    assert receipt["step"] == "tokenize"
    assert receipt["num_tokens"] == index["stop"][-1].as_py()
    assert receipt["split"]["num_rows"] == 10


def test_another_tokenizer_into_the_same_folder_is_refused(corpus, tokenizer, tmp_path):
    tokenize(corpus, tmp_path / "tokens", tokenizer=tokenizer, ray="none")
    other = train_tokenizer(corpus, tmp_path / "other", vocab_size=295)
    before = files(tmp_path / "tokens")
    with pytest.raises(ValueError, match="another tokenizer"):
        tokenize(corpus, tmp_path / "tokens", tokenizer=other, ray="none")
    assert files(tmp_path / "tokens") == before


def test_the_kept_tokenizer_says_what_a_given_one_left_open(corpus, tokenizer, tmp_path):
    """As GPT-2's folder, which names no end, with the template where transformers 5 keeps it."""
    given = tmp_path / "given"
    given.mkdir()
    shutil.copyfile(tokenizer / "tokenizer.json", given / "tokenizer.json")
    (given / "tokenizer_config.json").write_text('{"model_max_length": 1024, "eos_token": null}')
    (given / "chat_template.jinja").write_text("{{ messages }}")
    tokens = tokenize(corpus, tmp_path / "tokens", tokenizer=given, ray="none")
    assert json.loads((tokens.tokenizer / "tokenizer_config.json").read_text()) == {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 1024,
        "eos_token": "<|endoftext|>",
        "chat_template": "{{ messages }}",
    }


def test_another_end_mark_into_the_same_folder_is_refused(corpus, tokenizer, tmp_path):
    tokenize(corpus, tmp_path / "tokens", tokenizer=tokenizer, ray="none")
    chat = shutil.copytree(tokenizer, tmp_path / "chat")
    (chat / "tokenizer_config.json").write_text('{"eos_token": "<|im_end|>"}')
    with pytest.raises(ValueError, match="another end_of_text"):
        tokenize(corpus, tmp_path / "tokens", tokenizer=chat, ray="none")


def test_a_cut_off_shard_is_named(corpus, tokenizer, tmp_path):
    tokens = tokenize(corpus, tmp_path, tokenizer=tokenizer, ray="none")
    (tmp_path / "00001.bin").write_bytes(b"\0\0")
    with pytest.raises(ValueError, match=r"00001\.bin has 2 bytes"):
        Tokens(tokens.path).read(0, 1)


def test_a_document_without_text_is_named(tokenizer, tmp_path):
    bad = write_corpus(tmp_path / "c", [pa.RecordBatch.from_pydict({"id": ["a", "b"], "text": ["x", None]})])
    with pytest.raises(ValueError, match="document b has no text"):
        tokenize(bad, tmp_path / "t", tokenizer=tokenizer, ray="none")
    assert not list((tmp_path / "t").glob("*.bin"))
    assert not list((tmp_path / "t").glob(".*"))


def test_a_folder_of_documents_is_not_taken_for_tokens(corpus):
    with pytest.raises(ValueError, match="no index of tokens"):
        _ = Tokens(corpus.path).num_tokens
