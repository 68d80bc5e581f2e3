"""Our shards as other trainers read them: datatrove's own reader, and Megatron's format read from its description."""

import shutil
import struct
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from curate.corpus import write_corpus
from curate.tokenizer.bpe import train_tokenizer
from curate.tokenizer.formats import to_megatron, to_nanotron
from curate.tokenizer.pack import tokenize

TEXTS = [f"Chapter {n}: {n} by {n} is {n * n}.\n" * (n % 4 + 1) for n in range(25)] + [""]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    batch = pa.RecordBatch.from_pydict({"id": [f"d{n}" for n in range(len(TEXTS))], "text": TEXTS})
    corpus = write_corpus(folder / "corpus", [batch.slice(0, 13), batch.slice(13)], shard_rows=13)
    tokenizer = train_tokenizer(corpus, folder / "tokenizer", vocab_size=300)
    return tokenize(corpus, folder / "tokens", tokenizer=tokenizer, ray="none")


def documents(tokens) -> list[list[int]]:
    return [tokens.read(d.start, d.stop).tolist() for d in tokens.documents(0, tokens.num_tokens)]


def test_datatrove_reads_the_same_windows_and_positions(tokens, tmp_path):
    from datatrove.utils.dataset import DatatroveFolderDataset

    to_nanotron(tokens, tmp_path)
    seq_len = 30
    theirs = DatatroveFolderDataset(str(tmp_path), seq_len, filename_pattern="*.ds", return_positions=True)
    by_eos = DatatroveFolderDataset(
        str(tmp_path), seq_len, filename_pattern="*.ds", return_positions=True, positions_from_eos_token_id=0
    )
    expected = []
    for shard in tokens.arrays:
        expected += [shard[n : n + seq_len + 1].tolist() for n in range(0, len(shard) - seq_len, seq_len + 1)]
    assert len(theirs) == len(expected)
    for row, window in enumerate(expected):
        assert theirs[row]["input_ids"].tolist() == window
        assert theirs[row]["positions"].tolist() == by_eos[row]["positions"].tolist(), "index and end marks agree"


def test_datatrove_writes_the_same_index_and_metadata(tokens, tmp_path):
    from datatrove.pipeline.tokens.tokenizer import TokenizedFile

    to_nanotron(tokens, tmp_path / "ours")
    name = str(tokens.tokenizer)
    file = TokenizedFile(str(tmp_path / "theirs"), "00000.ds", tokenizer_name_or_path=name, save_final_metadata=True)
    for document in documents(tokens)[:13]:
        file.write(document, None)
    file.close()
    for end in ("", ".index"):
        assert (tmp_path / f"ours/00000.ds{end}").read_bytes() == (tmp_path / f"theirs/00000.ds{end}").read_bytes()
    ours, theirs = ((tmp_path / f"{w}/00000.ds.metadata").read_text().split("\n")[:2] for w in ("ours", "theirs"))
    assert ours == theirs


def test_the_metadata_names_one_tokenizer_for_all_corpora_which_nanotron_can_open(tokens, tmp_path):
    """Its NanosetDatasetsArgs gives what stands before the bar to AutoTokenizer, and wants it to be one everywhere."""
    from transformers import AutoTokenizer

    common = tmp_path / "tokenizer"
    shutil.copytree(tokens.tokenizer, common)
    for given, named in ((None, tokens.tokenizer), (common, common), (common / "tokenizer.json", common)):
        out = to_nanotron(tokens, tmp_path / "nanosets", tokenizer=given)
        names = {file.read_text().split("\n")[0] for file in out.glob("*.metadata")}
        assert names == {f"{named}|2"}
        assert AutoTokenizer.from_pretrained(names.pop().split("|")[0]).vocab_size == tokens.vocab_size


def test_nested_and_empty_shards_are_where_nanotron_and_megatron_can_read_them(tokens, tmp_path):
    rows = [pa.RecordBatch.from_pydict({"id": [f"n{n}"], "text": [f"Nest {n}."]}) for n in range(3)]
    write_corpus(tmp_path / "corpus/2024/a", rows[:2], shard_rows=1)
    write_corpus(tmp_path / "corpus/2024/b", [], schema=rows[0].schema)
    nested = tokenize(tmp_path / "corpus", tmp_path / "tokens", tokenizer=tokens.tokenizer, ray="none")
    to_nanotron(nested, tmp_path / "nanosets")
    assert {file.name for file in (tmp_path / "nanosets").glob("*.ds")} == {
        *("2024.a.00000.ds", "2024.a.00001.ds", "2024.b.00000.ds")
    }
    to_megatron(nested, tmp_path / "megatron")
    names = sorted(str(file.relative_to(tmp_path / "megatron")) for file in (tmp_path / "megatron").rglob("*.bin"))
    assert names == ["2024/a/00000.bin", "2024/a/00001.bin"], "an empty file cannot be mapped"
    read = [document for name in names for document in read_megatron(tmp_path / "megatron" / name)]
    assert read == documents(nested)


def test_shards_that_nanotron_could_not_tell_apart_are_refused(tokens, tmp_path):
    row = pa.RecordBatch.from_pydict({"id": ["n"], "text": ["Nest."]})
    for folder in ("c/a", "c/a.b"):
        write_corpus(tmp_path / folder, [row])
    (tmp_path / "c/a/b.00000.parquet").hardlink_to(tmp_path / "c/a/00000.parquet")
    same = tokenize(tmp_path / "c", tmp_path / "tokens", tokenizer=tokens.tokenizer, ray="none")
    with pytest.raises(ValueError, match="no folders"):
        to_nanotron(same, tmp_path / "nanosets")


def read_megatron(prefix) -> list[list[int]]:
    """A reader after megatron/core/datasets/indexed_dataset.py: header, counts, lengths, pointers, documents."""
    index = prefix.with_suffix(".idx").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, marks = struct.unpack_from("<QBQQ", index, 9)
    assert version == 1
    dtype = {4: np.int32, 8: np.uint16}[code]
    lengths = np.frombuffer(index, np.int32, sequences, 34)
    pointers = np.frombuffer(index, np.int64, sequences, 34 + lengths.nbytes)
    ends = np.frombuffer(index, np.int64, marks, 34 + lengths.nbytes + pointers.nbytes)
    assert 34 + lengths.nbytes + pointers.nbytes + ends.nbytes == len(index)
    plain = prefix.with_suffix(".bin").read_bytes()
    found = [np.frombuffer(plain, dtype, n, p).tolist() for n, p in zip(lengths, pointers, strict=True)]
    return [[token for sequence in found[a:b] for token in sequence] for a, b in pairwise(ends)]


def test_megatrons_format_holds_the_documents(tokens, tmp_path):
    to_megatron(tokens, tmp_path)
    read = read_megatron(tmp_path / "00000") + read_megatron(tmp_path / "00001")
    assert read == documents(tokens)


def test_datatroves_megatron_writer_writes_the_same_bytes(tokens, tmp_path):
    from datatrove.pipeline.tokens.megatron_tokenizer import MegatronTokenizedFile

    to_megatron(tokens, tmp_path / "ours")
    file = MegatronTokenizedFile(str(tmp_path / "theirs"), "00001")
    for document in documents(tokens)[13:]:
        file.write(document)
    file.close()
    for end in (".bin", ".idx"):
        ours, theirs = ((tmp_path / where / f"00001{end}").read_bytes() for where in ("ours", "theirs"))
        assert ours == theirs


def test_tokens_are_linked_not_copied_and_writing_again_changes_nothing(tokens, tmp_path):
    to_nanotron(tokens, tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert (tmp_path / "00000.ds").samefile(tokens.path / "00000.bin")
    to_nanotron(tokens, tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
