import json

import pyarrow as pa
import pytest

from curate.corpus import write_corpus
from curate.evaluate.likelihood import Item
from curate.evaluate.suites import Suite, evaluate, format_results, make_cloze, parse_item
from curate.tokenizer.bpe import train_tokenizer
from curate.tokenizer.pack import tokenize
from curate.train.loop import pretrain
from curate.train.model import Size

TEXTS = [f"Chapter {n}. " + " ".join(f"word{n}x{m}" for m in range(200)) for n in range(12)]


@pytest.mark.parametrize(
    ("row", "item"),
    [
        (
            {"query": "Question: Why?", "choices": ["so", " not "], "gold": 1},
            Item((("Question: Why?\nAnswer:", " so"), ("Question: Why?\nAnswer:", " not")), 1),
        ),
        ({"query": "It is", "choices": ["a", "b"], "gold": 0}, Item((("It is", " a"), ("It is", " b")), 0)),
        (
            {"context_options": ["He", "She"], "continuation": "sang", "gold": 0},
            Item((("He", " sang"), ("She", " sang")), 0),
        ),
        ({"context": "Roses are", "continuation": "red"}, Item((("Roses are", " red"),))),
    ],
)
def test_lines_become_items(row, item):
    assert parse_item(row) == item


def test_a_line_that_is_no_item_is_named(tmp_path):
    (tmp_path / "s.jsonl").write_text('{"context": "a", "continuation": "b"}\n{"question": "?"}\n')
    with pytest.raises(ValueError, match=r"s\.jsonl, line 2: not an item"):
        Suite("s", tmp_path / "s.jsonl").items()
    assert len(Suite("s", tmp_path / "s.jsonl").items(limit=1)) == 1


def test_cloze_choices_are_real_continuations_and_one_is_right(tmp_path):
    items = make_cloze([*TEXTS, "short"], tmp_path / "cloze.jsonl").items()
    assert len(items) == 12
    for item in items:
        (context,) = {context for context, _ in item.pairs}
        continuations = [continuation for _, continuation in item.pairs]
        owners = [[text for text in TEXTS if continuation in text] for continuation in continuations]
        assert len(set(continuations)) == 4
        assert all(len(owner) == 1 for owner in owners)
        assert context + continuations[item.gold] in owners[item.gold][0]
        assert len({owner[0] for owner in owners}) == 4


def test_cloze_is_the_same_for_the_same_seed(tmp_path):
    files = [make_cloze(TEXTS, tmp_path / name, seed=seed).path for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    one, two, other = (file.read_bytes() for file in files)
    assert one == two != other


def test_cloze_needs_enough_texts(tmp_path):
    with pytest.raises(ValueError, match="3 of 3 texts"):
        make_cloze(TEXTS[:3], tmp_path / "cloze.jsonl")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    batch = pa.RecordBatch.from_pydict({"id": [str(n) for n in range(12)], "text": TEXTS})
    corpus = write_corpus(folder / "corpus", [batch])
    tokenizer = train_tokenizer(corpus, folder / "tokenizer", vocab_size=300)
    tokens = tokenize(corpus, folder / "tokens", tokenizer=tokenizer, ray="none")
    tiny = Size(hidden_size=16, num_layers=2, num_heads=2, num_kv_heads=1, ffn_size=24)
    settings = {"seq_len": 32, "batch_tokens": 64, "threads": 1, "device": "cpu", "quiet": True}
    return pretrain(tokens.path, folder / "run", model=tiny, steps=4, **settings).model


def test_evaluate_writes_a_table_of_everything_asked(model_dir, tmp_path):
    cloze = make_cloze(TEXTS, tmp_path / "cloze.jsonl")
    (tmp_path / "greedy.jsonl").write_text('{"context": "a", "continuation": "b"}\n')
    suites = [cloze, Suite("greedy", tmp_path / "greedy.jsonl")]
    results = evaluate(model_dir, suites=suites, texts={"chapters": TEXTS}, limit=5, out=tmp_path, device="cpu")
    assert set(results) == {"bits_per_byte chapters", "cloze", "greedy"}
    assert results["cloze"]["num_items"] == 5
    assert results["cloze"]["chance"] == 0.25
    assert 0 < results["bits_per_byte chapters"]["bits_per_byte"]["value"] < 10
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["cloze"] == results["cloze"]
    assert written["greedy"]["accuracy"]["stderr"] is None  # one item has no spread
    assert "gold_probability" in format_results(results)


def test_evaluate_needs_something_to_ask(model_dir):
    with pytest.raises(ValueError, match="nothing to evaluate on"):
        evaluate(model_dir)


@pytest.mark.parametrize(
    ("file", "pairs"),
    [("arc_easy", 4), ("piqa", 2), ("winogrande", 2), ("lambada_openai", 1), ("hellaswag_val_subset1000", 4)],
)
def test_the_published_suites_are_read(shared_data, file, pairs):
    items = Suite(file, shared_data / "eval" / f"{file}.jsonl").items()
    assert len(items) >= 1000
    assert sum(len(item.pairs) == pairs for item in items) > 0.9 * len(items)
