import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.corpus import Corpus, write_corpus
from curate.tokenizer.bpe import SPECIAL_TOKENS, load_tokenizer, num_ids, token_bytes, train_tokenizer

LESSONS = [
    f"Lesson {n}: the square of {n} is {n * n}.\n\ndef square_{n}(x):\n    if x == {n}:\n        return {n * n}\n"
    for n in range(200)
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    batch = pa.RecordBatch.from_pydict({"id": [f"d{n}" for n in range(len(LESSONS))], "text": LESSONS})
    return write_corpus(tmp_path_factory.mktemp("corpus"), [batch])


@pytest.fixture(scope="module")
def folder(corpus, tmp_path_factory):
    return train_tokenizer(corpus, tmp_path_factory.mktemp("tokenizer"), vocab_size=400)


@given(text=st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_comes_back(folder, text):
    tokenizer = load_tokenizer(folder)
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@pytest.mark.parametrize(
    "text", ["\x00", "\r\n\t \u3000", "नमस्ते", "🧑\u200d🔬", "<|endoftext|> is text here", "  x \n\n  y  "]
)
def test_awkward_texts_come_back(folder, text):
    tokenizer = load_tokenizer(folder)
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_special_tokens_come_first_and_only_on_purpose(folder):
    tokenizer = load_tokenizer(folder)
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == list(range(len(SPECIAL_TOKENS)))
    assert 0 not in tokenizer.encode("a document that says <|endoftext|> itself").ids


def test_every_digit_is_a_token_and_indentation_is_one(folder):
    tokenizer = load_tokenizer(folder)
    assert tokenizer.encode("1234").tokens == ["1", "2", "3", "4"]
    assert tokenizer.encode(":\n        return").tokens[1:] == ["Ġ" * 7, "Ġreturn"]


def test_the_same_corpus_gives_the_same_bytes_in_another_process(corpus, folder, tmp_path):
    program = (
        "import sys; from curate.tokenizer.bpe import train_tokenizer; "
        "train_tokenizer(sys.argv[1], sys.argv[2], vocab_size=400)"
    )
    subprocess.run(
        [sys.executable, "-c", program, corpus.path, str(tmp_path)], check=True, env={"RAYON_NUM_THREADS": "1"}
    )
    assert (tmp_path / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


def test_transformers_reads_the_folder(folder):
    from transformers import AutoTokenizer

    theirs, ours = AutoTokenizer.from_pretrained(folder), load_tokenizer(folder)
    text = "Lesson 7: we don't , ever ; trim  spaces.\n\tx = 42\n"
    assert theirs(text)["input_ids"] == ours.encode(text).ids
    assert theirs.decode(ours.encode(text).ids) == text
    assert (theirs.eos_token_id, theirs.bos_token_id) == (0, 0)


def test_a_vocabulary_without_room_for_all_bytes_is_refused(corpus, tmp_path):
    with pytest.raises(ValueError, match="below 277"):
        train_tokenizer(corpus, tmp_path, vocab_size=200)


def test_a_conversation_is_written_as_chatml(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = [{"role": "user", "content": "What is 7 x 8?"}, {"role": "assistant", "content": "56"}]
    assert tokenizer.apply_chat_template(turns, tokenize=False) == (
        "<|im_start|>user\nWhat is 7 x 8?<|im_end|>\n<|im_start|>assistant\n56<|im_end|>\n"
    )
    ids = tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True)["input_ids"]
    assert ids.count(tokenizer.convert_tokens_to_ids("<|im_start|>")) == 2
    assert tokenizer.decode(ids, skip_special_tokens=True) == "user\nWhat is 7 x 8?\nassistant\n"


def test_special_tokens_are_those_of_smollm_and_starcoder(folder):
    tokenizer = load_tokenizer(folder)
    assert [tokenizer.id_to_token(n) for n in (0, 1, 2, 3, 5, 16)] == [
        *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<file_sep>", "<empty_output>")
    ]
    assert all(tokenizer.token_to_id(f"<fim_{part}>") for part in ("prefix", "middle", "suffix", "pad"))


def test_markup_in_a_text_becomes_special_tokens_on_request_but_never_its_end(folder):
    text = "<repo_name>a/b<file_sep>x.py\nprint(1)<|endoftext|>"
    plain, marked = load_tokenizer(folder), load_tokenizer(folder, markup=True)
    assert plain.encode(text).ids != marked.encode(text).ids
    assert not {0, 3, 5} & set(plain.encode(text).ids)
    assert [n for n in marked.encode(text).ids if n < len(SPECIAL_TOKENS)] == [3, 5]
    for tokenizer in (plain, marked):
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@given(text=st.text())
@settings(max_examples=300, deadline=None)
def test_the_bytes_of_the_tokens_are_the_bytes_of_the_text(folder, text):
    tokenizer = load_tokenizer(folder)
    known = token_bytes(tokenizer)
    assert b"".join(known[number] for number in tokenizer.encode(text).ids) == text.encode()


def test_a_tokenizer_with_another_end_keeps_it_out_of_marked_texts_too(folder, tmp_path):
    text = (folder / "tokenizer.json").read_text().replace("<|endoftext|>", "<|end|>")
    (tmp_path / "tokenizer.json").write_text(text)
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "<|end|>"}')
    marked = load_tokenizer(tmp_path, markup=True)
    assert [n for n in marked.encode("<file_sep>x<|end|>").ids if n < len(SPECIAL_TOKENS)] == [5]


def test_what_a_call_of_transformers_left_in_the_file_cuts_and_fills_no_document(folder, tmp_path):
    saved = load_tokenizer(folder)
    saved.enable_truncation(4)
    saved.enable_padding(length=4)
    saved.save(str(tmp_path / "tokenizer.json"))
    for text in ("a", "Lesson 7: birds sing in the trees."):
        assert load_tokenizer(tmp_path).encode(text).ids == load_tokenizer(folder).encode(text).ids


def test_a_tokenizer_that_is_there_is_not_learned_again_and_another_is_refused(corpus, folder):
    before = (folder / "tokenizer.json").stat().st_mtime_ns
    assert train_tokenizer(corpus, folder, vocab_size=400) == folder
    with pytest.raises(ValueError, match="learned with other vocab_size and weights"):
        train_tokenizer({corpus.path: 1.0}, folder, vocab_size=401)
    assert (folder / "tokenizer.json").stat().st_mtime_ns == before


def test_every_byte_has_a_token(folder):
    assert {bytes([byte]) for byte in range(256)} <= set(token_bytes(load_tokenizer(folder)))


def test_deep_indentation_is_one_token_a_line(code_tokenizer):
    tokenizer = load_tokenizer(code_tokenizer)
    for depth in range(1, 9):
        assert len(tokenizer.encode("\n" + 4 * depth * " " + "x").ids) == 3, "line end, all spaces but one, ' x'"
        tabbed = tokenizer.encode("\n" + depth * "\t" + "x").ids
        assert len(tabbed) <= 3


@pytest.fixture(scope="module")
def code_tokenizer(tmp_path_factory):
    nested = ["\n".join(f"{unit * depth}x = {depth}" for depth in range(9)) for unit in ("    ", "\t")]
    batch = pa.RecordBatch.from_pydict({"id": [f"c{n}" for n in range(50)], "text": nested * 25})
    corpus = write_corpus(tmp_path_factory.mktemp("code"), [batch])
    return train_tokenizer(corpus, tmp_path_factory.mktemp("code-tokenizer"), vocab_size=340)


def test_an_empty_corpus_is_refused(tmp_path):
    empty = write_corpus(tmp_path / "c", [pa.RecordBatch.from_pydict({"id": ["a"], "text": [""]})])
    with pytest.raises(ValueError, match="no text to learn"):
        train_tokenizer(empty, tmp_path / "t", vocab_size=300)


def test_ids_with_gaps_have_rows_and_only_byte_level_tokens_are_counted():
    from tokenizers import Tokenizer, models

    gaps = Tokenizer(models.WordLevel({"a": 0, "b": 70_000}, unk_token="a"))
    assert num_ids(gaps) == 70_001
    with pytest.raises(ValueError, match="only byte-level tokenizers"):
        token_bytes(Tokenizer(models.WordLevel({"a": 0, "\u2581b": 1}, unk_token="a")))
