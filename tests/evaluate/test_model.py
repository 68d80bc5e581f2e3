import pytest
from transformers import AutoTokenizer, BloomConfig, Gemma3Config, MptConfig

from curate.evaluate.model import (
    context_start,
    encode,
    encode_pair,
    load,
    longest_input,
    max_length,
    start_token,
)
from curate.tokenizer.bpe import load_tokenizer


def test_context_and_continuation_together_are_all_tokens(tokenizer):
    before, after = encode_pair(tokenizer, "It rained on ", "3 days")
    assert tokenizer.decode(before) + tokenizer.decode(after) == "It rained on 3 days"
    assert tokenizer.decode(after) == " 3 days"  # the space goes with the word after it
    assert encode_pair(tokenizer, "", "x")[0] == [start_token(tokenizer)]


def test_what_looks_like_a_special_token_stays_text(tokenizer):
    assert start_token(tokenizer) not in encode(tokenizer, "a <|endoftext|> b")
    assert tokenizer.decode(encode(tokenizer, "a <|endoftext|> b")) == "a <|endoftext|> b"


def test_a_tokenizer_of_the_tokenizers_library_gives_the_same(tokenizer):
    raw = load_tokenizer(tokenizer.name_or_path)
    for text in ("It rained on 3 days.", "a <|endoftext|> b", "é\n\n  x"):
        assert encode(raw, text) == encode(tokenizer, text)
    assert start_token(raw) == start_token(tokenizer)
    assert context_start(raw) == context_start(tokenizer) == []


def test_a_tokenizer_that_starts_every_text_with_a_mark_does_so_here(tokenizer, tmp_path):
    """Llama 2's and Gemma's do, and lm-evaluation-harness keeps to it."""
    from tokenizers.processors import TemplateProcessing

    tokenizer.save_pretrained(tmp_path)
    marking = AutoTokenizer.from_pretrained(tmp_path)
    mark = (tokenizer.bos_token, tokenizer.bos_token_id)
    marking.backend_tokenizer.post_processor = TemplateProcessing(single=f"{mark[0]} $A", special_tokens=[mark])
    assert context_start(marking) == [mark[1]]
    before, after = encode_pair(marking, "It rained", " on 3 days")
    assert before[0] == mark[1]
    assert (before[1:], after) == encode_pair(tokenizer, "It rained", " on 3 days")


def test_an_empty_continuation_is_refused(tokenizer):
    with pytest.raises(ValueError, match="nothing to score after 'It'"):
        encode_pair(tokenizer, "It", "")


def test_the_longest_input_is_the_models(model):
    assert max_length(model) == 48
    assert longest_input(MptConfig(max_seq_len=64)) == 64
    assert longest_input(Gemma3Config(text_config={"max_position_embeddings": 96})) == 96


def test_a_model_that_does_not_say_how_much_it_reads_is_told_what_to_do():
    with pytest.raises(ValueError, match=r"BloomConfig does not say .* add \"max_position_embeddings\""):
        longest_input(BloomConfig())
    assert longest_input(BloomConfig(max_position_embeddings=64)) == 64


def test_what_a_models_folder_lacks_is_said_plainly(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder; give a model's folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="has no tokenizer"):
        load(tmp_path)
