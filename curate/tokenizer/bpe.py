"""Byte-level BPE: train on a sample of a corpus, save as a Hugging Face fast tokenizer.

    train_tokenizer(["runs/edu", "runs/code"], "tokenizer", vocab_size=49_152)
    tokenizer = load_tokenizer("tokenizer")        # or transformers.AutoTokenizer.from_pretrained("tokenizer")
    fertility(tokenizer, texts)                    # bytes per token: higher is shorter sequences

Byte-level: every UTF-8 text is 256 base bytes, so nothing is unknown and decoding gives the text back (Radford et al.
2019). The split pattern is GPT-4's with digits taken one by one, as in StarCoder and SmolLM: numbers of any length get
the place-value structure right, at the price of longer sequences for tables. Letters keep their combining marks, so
that Indic words stay whole. Runs of spaces are one piece and the last space goes with the word after it, so code
indentation costs one token a line. Tokens are learned by the `tokenizers` library (Rust); the same sample gives the
same `tokenizer.json` on any number of threads.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from curate.corpus import Corpus
from curate.document import ID, TEXT
from curate.stage import id_hash

END_OF_TEXT = "<|endoftext|>"  # id 0: after every document, and the model's bos, eos and padding as in SmolLM
SPECIAL_TOKENS = (
    END_OF_TEXT,
    *("<|im_start|>", "<|im_end|>"),  # chat turns, ChatML's
    *("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"),  # fill in the middle, StarCoder's
    *("<repo_name>", "<file_sep>"),  # code repositories, StarCoder2's
)
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"  # English contractions
    r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+"  # a word, with the space or sign before it
    r"|\p{N}"  # each digit alone
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"  # signs, with the line end after them: "):\n"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"  # blank lines; indentation but its last space
)
SAMPLE_BYTES = 500_000_000  # some minutes of training; nanochat learns 32,768 tokens from 2 GB
DOCUMENT_CHARS = 10_000  # of one document that count, so that a few long books do not decide (nanochat)
BATCH_TEXTS = 1000


def train_tokenizer(
    corpora: str | os.PathLike[str] | Corpus | Sequence[str | os.PathLike[str] | Corpus],
    out: str | os.PathLike[str],
    *,
    vocab_size: int = 49_152,
    sample_bytes: int = SAMPLE_BYTES,
    seed: int = 0,
) -> Path:
    """Learn a tokenizer from about `sample_bytes` of the corpora and save it in the folder `out`.

    Documents are drawn by the hash of (seed, id), so the sample does not depend on shards or workers. A sample with too
    few distinct words gives fewer tokens than `vocab_size`; `load_tokenizer(out).get_vocab_size()` is what was learned.
    """
    smallest = len(SPECIAL_TOKENS) + 256
    if vocab_size < smallest:
        raise ValueError(f"vocab_size {vocab_size} is below {smallest}: all bytes and the special tokens need a place")
    paths = [corpora] if isinstance(corpora, str | os.PathLike | Corpus) else corpora
    opened = [path if isinstance(path, Corpus) else Corpus(path) for path in paths]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer = _untrained()
    tokenizer.train_from_iterator(_sample(opened, sample_bytes, seed), trainer)
    return save_tokenizer(tokenizer, out)


def _untrained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sample(corpora: Sequence[Corpus], sample_bytes: int, seed: int) -> Iterator[list[str]]:
    """Yield batches of texts: every corpus gives the same share of its documents."""
    total = sum(split.num_bytes for corpus in corpora for split in corpus.splits())
    bound = int(min(1.0, sample_bytes / max(total, 1)) * 2**64)
    texts: list[str] = []
    taken = False
    for batch in (batch for corpus in corpora for batch in corpus.batches([ID, TEXT])):
        for document, text in zip(batch[ID].to_pylist(), batch[TEXT].to_pylist(), strict=True):
            if text and id_hash(document, seed) < bound:
                texts.append(text[:DOCUMENT_CHARS])
        if len(texts) >= BATCH_TEXTS:
            yield texts
            texts, taken = [], True
    if not texts and not taken:
        names = ", ".join(corpus.path for corpus in corpora)
        raise ValueError(f"no text to learn a tokenizer from in {names}; empty documents, or sample_bytes too small?")
    yield texts


def save_tokenizer(tokenizer: Tokenizer, out: str | os.PathLike[str]) -> Path:
    """Write `tokenizer.json` and the `tokenizer_config.json` that `AutoTokenizer` needs."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,  # decoding gives the text back, spaces before commas too
        "model_input_names": ["input_ids", "attention_mask"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    partial = folder / ".tokenizer.json.tmp"
    tokenizer.save(str(partial))
    partial.replace(folder / "tokenizer.json")  # last: a tokenizer.json is a whole tokenizer
    return folder


def load_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """Open a tokenizer folder (or its `tokenizer.json`) for encoding documents.

    The text of a document never becomes a special token, even when it says `<|endoftext|>`.
    """
    file = Path(path)
    file = file / "tokenizer.json" if file.is_dir() else file
    if not file.exists():
        raise FileNotFoundError(f"{path} holds no tokenizer.json; train one with train_tokenizer or name its folder")
    return from_json(file.read_text(encoding="utf-8"))


def from_json(text: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(text)
    tokenizer.encode_special_tokens = True
    return tokenizer


def end_of_text_id(tokenizer: Tokenizer) -> int:
    found = tokenizer.token_to_id(END_OF_TEXT)
    if found is None:
        raise ValueError(f"the tokenizer has no token {END_OF_TEXT}, which ends every document")
    return int(found)


def fertility(tokenizer: Tokenizer, texts: Iterable[str]) -> float:
    """Return bytes per token over all texts together."""
    num_bytes = num_tokens = 0
    for text in texts:
        num_bytes += len(text.encode())
        num_tokens += len(tokenizer.encode(text, add_special_tokens=False).ids)
    if num_tokens == 0:
        raise ValueError("no tokens in the texts; fertility needs some text")
    return num_bytes / num_tokens
