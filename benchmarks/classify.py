"""Documents per second and core of every part that grades, beside sentence-transformers' and fastText's own calls.

    taskset -c 0 python benchmarks/classify.py docs.parquet --documents 200

All read the same documents, cut to their first 4,000 characters as `curate score` does, with one thread, in turns:
every round times each of them once, and the least processor time counts. fastText is trained here on these
documents (bigrams, 100 dimensions, as DCLM's); its labels are arbitrary, its speed is not. Cosines are to the float32
vectors of the same layers.
"""

import argparse
import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from curate.classify.embedding import MINILM, Encoder, sentence_transformer
from curate.classify.score import cascade_stages, load, score_stage
from curate.document import DROPPED_BY, Batch
from curate.stage import Stage

MAX_CHARS = 4000
ENCODERS = {
    "encoder, float32, 6 layers": Encoder(layers=None, precision="float32"),
    "encoder, bfloat16, 6 layers": Encoder(layers=None, precision="bfloat16"),
    "encoder, int8, 6 layers": Encoder(layers=None),
    "encoder, float32, 3 layers": Encoder(precision="float32"),
    "encoder, bfloat16, 3 layers": Encoder(precision="bfloat16"),
    "encoder, int8, 3 layers (ours)": Encoder(),
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="a Parquet file of documents")
    parser.add_argument("--documents", type=int, default=200, help="how many, spread over the file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--classifier", default="web_edu", help="a shipped classifier")
    args = parser.parse_args()
    torch.set_num_threads(1)

    texts = [text[:MAX_CHARS] for text in spread(pq.read_table(args.path, columns=["text"])["text"], args.documents)]
    kilobytes = sum(len(text.encode()) for text in texts) / 1000
    print(f"{len(texts)} documents, {kilobytes / len(texts):.1f} kB each, of {args.path}; one thread")
    calls = parts(texts, args.classifier) | {name: functools.partial(e, texts) for name, e in ENCODERS.items()}
    seconds = in_turns(calls, args.rounds)
    base = seconds["sentence-transformers encode, 512 tokens"]
    print(f"{'':45}{'documents/s':>12}{'times encode':>14}")
    for name, spent in seconds.items():
        print(f"{name:45}{len(texts) / spent:12.1f}{base / spent:14.1f}")
    for name, encoder in ENCODERS.items():
        if encoder.precision != "float32":
            exact = Encoder(layers=encoder.layers, precision="float32")(texts)
            cosines = (exact * encoder(texts)).sum(1)
            print(f"{name}: cosine to float32 {cosines.mean():.5f}, the least {cosines.min():.5f}")


def parts(texts: list[str], classifier: str) -> dict[str, Callable[[], object]]:
    """Return a call without arguments for each part and each peer."""
    peer = sentence_transformer(MINILM, None, torch.float32)

    def encode(max_tokens: int) -> None:
        peer.max_seq_length = max_tokens
        peer.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)

    stage = score_stage(classifier)
    model = load(classifier, stage.digest)
    batch = pa.RecordBatch.from_pydict({"id": [str(i) for i in range(len(texts))], "text": texts})
    stages = cascade_stages(classifier, cut=model.at_least - 0.5)[1]
    vectors = model.encoder(texts)
    peer_lines = [text.replace("\n", " ") for text in texts]
    trained = train_fasttext(peer_lines)
    return {
        "sentence-transformers encode, 512 tokens": lambda: encode(512),
        "sentence-transformers encode, 256 tokens": lambda: encode(256),
        "fastText predict": lambda: trained.predict(peer_lines, k=2),
        "gate": lambda: model.gate.score(texts),
        "head on vectors": lambda: model.head.score(vectors),
        "gate, encoder and head together": lambda: model.score(texts, "mean"),
        "cascade at the model's cut": lambda: passed(batch, stages),
    }


def passed(batch: Batch, stages: tuple[Stage, ...]) -> Batch:
    """Apply stages, taking marked rows out between them as the runner does."""
    for stage in stages:
        batch = stage(batch)
        if DROPPED_BY in batch.schema.names:
            batch = batch.filter(pc.is_null(batch[DROPPED_BY]))
    return batch


def train_fasttext(lines: list[str]) -> fasttext.FastText._FastText:
    """Train on lines with arbitrary labels, with the eleven threads that version 0.9.3 needs to set all its weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        path.write_text("".join(f"__label__{('cc', 'hq')[i % 2]} {line}\n" for i, line in enumerate(lines)))
        return fasttext.train_supervised(str(path), dim=100, wordNgrams=2, bucket=200_000, thread=11, verbose=0)


def in_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the least processor seconds of each call; they do not grow when others use the machine."""
    for call in calls.values():  # load and compile
        call()
    seconds = dict.fromkeys(calls, np.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.process_time()
            call()
            seconds[name] = min(seconds[name], time.process_time() - started)
    return seconds


def spread(column: pa.ChunkedArray, count: int) -> list[str]:
    """Return `count` texts at equal distances, so that every source in the file has a say."""
    column = column.drop_null()
    step = max(len(column) // count, 1)
    found: list[str] = column.take(pa.array(range(0, len(column), step))).to_pylist()[:count]
    return found


if __name__ == "__main__":
    main()
