"""Byte-level BPE: train on a sample of a corpus, save as a Hugging Face fast tokenizer.

    train_tokenizer({"runs/edu": 0.7, "runs/code": 0.3}, "tokenizer", vocab_size=49_152)
    tokenizer = load_tokenizer("tokenizer")        # or transformers.AutoTokenizer.from_pretrained("tokenizer")

Byte-level: every UTF-8 text is 256 base bytes, so nothing is unknown and decoding gives the text back (Radford et al.
2019). The split pattern is GPT-4's with digits taken one by one, as in StarCoder and SmolLM: numbers of any length get
the place-value structure right, at the price of longer sequences for tables. Letters keep their combining marks, so
that Indic words stay whole. Runs of spaces are one piece and the last space goes with the word after it, so code
indentation costs one token a line. (GPT-2's split, which takes the line end and the indentation as one piece, gave the
same bytes per token on code and 3 to 4 % fewer on web pages and books.) Tokens are learned by the `tokenizers` library
(Rust); the same sample gives the same `tokenizer.json` on any number of threads.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from curate.tokenizer.sample import Corpora, opened, sample

END_OF_TEXT = "<|endoftext|>"  # id 0: after every document, and the model's bos, eos and padding as in SmolLM
SPECIAL_TOKENS = (
    # ids 0 to 16 as in SmolLM's cosmo2 tokenizer
    END_OF_TEXT,
    *("<|im_start|>", "<|im_end|>"),  # chat turns, ChatML's
    *("<repo_name>", "<reponame>", "<file_sep>", "<filename>", "<gh_stars>"),  # repositories, StarCoder's 1 and 2
    *("<issue_start>", "<issue_comment>", "<issue_closed>"),
    *("<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>", "<jupyter_script>", "<empty_output>"),
    *("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"),  # fill in the middle, StarCoder's
)
CHAT_TEMPLATE = (  # ChatML; no system message is made up
    "{% for message in messages %}"
    r"{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    r"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"  # English contractions
    r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+"  # a word, with the space or sign before it
    r"|\p{N}"  # each digit alone
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"  # signs, with the line end after them: "):\n"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"  # blank lines; indentation but its last space
)
PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
OTHERS = tuple(byte for byte in range(256) if byte not in PRINTABLE)
# The character that byte-level BPE writes for each byte in a vocabulary, as GPT-2 chose them.
BYTE_CHARACTERS = "".join(chr(b) if b in PRINTABLE else chr(256 + OTHERS.index(b)) for b in range(256))
CONFIG_FILE = "tokenizer_config.json"
CHAT_FILE = "chat_template.jinja"  # where transformers 5 keeps a template
LEARNED_FILE = "learned.json"  # of what a tokenizer was learned
TOKENIZER_CLASS = "PreTrainedTokenizerFast"
SAMPLE_BYTES = 500_000_000  # some minutes of training; nanochat learns 32,768 tokens from 2 GB


def train_tokenizer(
    corpora: Corpora,
    out: str | os.PathLike[str],
    *,
    vocab_size: int = 49_152,
    sample_bytes: int = SAMPLE_BYTES,
    seed: int = 0,
) -> Path:
    """Learn a tokenizer from about `sample_bytes` of the corpora and save it in the folder `out`.

    `corpora` may map paths to weights, their shares of the sample (see `curate.tokenizer.sample`). A sample with too
    few distinct words gives fewer tokens than `vocab_size`; `load_tokenizer(out).get_vocab_size()` is what was learned.
    The same call again finds it there and learns nothing.

    Raises:
        ValueError: no text was drawn, `vocab_size` is too small, or `out` holds another tokenizer.
    """
    smallest = len(SPECIAL_TOKENS) + 256
    if vocab_size < smallest:
        raise ValueError(f"vocab_size {vocab_size} is below {smallest}: all bytes and the special tokens need a place")
    recipe = _recipe(corpora, vocab_size, sample_bytes, seed)
    if _is_learned(Path(out), recipe):
        return Path(out)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer = untrained()
    tokenizer.train_from_iterator(sample(corpora, sample_bytes, seed), trainer)
    Path(out).mkdir(parents=True, exist_ok=True)
    Path(out, LEARNED_FILE).write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
    return save_tokenizer(tokenizer, out)


def _recipe(corpora: Corpora, vocab_size: int, sample_bytes: int, seed: int) -> dict[str, Any]:
    """Return what decides a tokenizer, wherever the corpora lie."""
    sources, weights = opened(corpora)
    inputs = [[split.identity() for split in source.splits()] for source in sources]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    return {
        "vocab_size": vocab_size,
        "sample_bytes": sample_bytes,
        "seed": seed,
        "corpora": digest,
        "weights": weights,
    }


def _is_learned(out: Path, recipe: Mapping[str, Any]) -> bool:
    if not (out / "tokenizer.json").exists():
        return False
    file = out / LEARNED_FILE
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    different = [name for name, value in recipe.items() if before.get(name) != value]
    if different:
        raise ValueError(
            f"{out} holds a tokenizer that was learned with other {' and '.join(different)}; choose another folder, "
            "delete that one, or name it as the tokenizer to use"
        )
    return True


def untrained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def save_tokenizer(
    tokenizer: Tokenizer, out: str | os.PathLike[str], settings: Mapping[str, Any] | None = None
) -> Path:
    """Write `tokenizer.json` and the `tokenizer_config.json` that `AutoTokenizer` needs, by default one of ours."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    config = settings or {
        "tokenizer_class": TOKENIZER_CLASS,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,  # decoding gives the text back, spaces before commas too
        "model_input_names": ["input_ids", "attention_mask"],
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    partial = folder / ".tokenizer.json.tmp"
    tokenizer.save(str(partial))
    partial.replace(folder / "tokenizer.json")  # last: a tokenizer.json is a whole tokenizer
    return folder


def load_tokenizer(path: str | os.PathLike[str], *, markup: bool = False) -> Tokenizer:
    """Open a tokenizer folder (or its `tokenizer.json`) for encoding documents.

    The text of a document never becomes a special token, even when it says `<|endoftext|>`; with `markup` the others
    do, such as the `<repo_name>` and `<file_sep>` of concatenated repositories, but never the end of a document.
    """
    file = Path(path)
    file = file / "tokenizer.json" if file.is_dir() else file
    if not file.exists():
        raise FileNotFoundError(f"{path} holds no tokenizer.json; train one with train_tokenizer or name its folder")
    plain = from_json(file.read_text(encoding="utf-8"))
    return from_json(plain.to_str(), markup=True, end=end_of_text_id(file.parent, plain)) if markup else plain


def from_json(text: str, *, markup: bool = False, end: int | None = None) -> Tokenizer:
    """Make a tokenizer for whole documents; `end` is the id that ends them where that is not `<|endoftext|>`."""
    if markup:
        known = json.loads(text)
        for token in known["added_tokens"]:  # what is not special is found in texts
            token["special"] = token["content"] == END_OF_TEXT or token["id"] == end
        text = json.dumps(known)
    tokenizer = Tokenizer.from_str(text)
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()  # transformers saves what its last call was asked for
    tokenizer.no_padding()
    return tokenizer


def end_of_text_id(folder: str | os.PathLike[str], tokenizer: Tokenizer | None = None) -> int:
    """Return the id of the token that ends documents: a folder's `eos_token`, `<|endoftext|>` where it names none."""
    file = Path(folder, CONFIG_FILE)
    config = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    named = config.get("eos_token") or END_OF_TEXT
    token = str(named["content"] if isinstance(named, dict) else named)
    found = (tokenizer or load_tokenizer(folder)).token_to_id(token)
    if found is None:
        raise ValueError(f"{folder} has no token {token} to end documents with; name one as eos_token in {CONFIG_FILE}")
    return int(found)


def num_ids(tokenizer: Tokenizer) -> int:
    """Return how many rows a table of embeddings needs: one more than the largest id, ids without a token included."""
    return max(tokenizer.get_vocab().values()) + 1


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """Return the bytes each id stands for; joined they are the text, even where a token ends inside a character.

    Raises:
        ValueError: the tokenizer is not byte-level.
    """
    byte_of = {character: byte for byte, character in enumerate(BYTE_CHARACTERS)}
    added = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    names = [tokenizer.id_to_token(number) or "" for number in range(num_ids(tokenizer))]
    strange = [name for name in names if name not in added and not byte_of.keys() >= set(name)]
    if strange:
        raise ValueError(f"the token {strange[0]!r} is not written in bytes: only byte-level tokenizers can be counted")
    return [n.encode() if n in added else bytes(byte_of[character] for character in n) for n in names]
