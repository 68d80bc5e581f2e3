"""Tiny experiments whose right answer is known, for `benchmarks/ablate.py`: two arms, a few seeds, real text.

    pool = Pool.read("text.parquet", "runs/trials")            # pieces of real text by domain, and one small tokenizer
    values = run(pool, "runs/trials/aa-00", kind="aa", experiment=0, seeds=3)

`aa`: both arms hold the same pieces, each in an order of its own. Less than one epoch is trained, so an arm's run sees
its own draw of the pieces. The arms have the same distribution, and any verdict but "not resolved" is wrong.
`ab`: the second arm holds other pieces of the same pool, and in each of them 30 % of the tokens, drawn at random,
change places with one another: the same words, less sense. The clean arm is better.

An experiment draws its own pieces for training and its own held-out documents (never of one parent), and its own
seeds. Runs of a seed share their first weights. What a run gives is written before the next begins.
"""

import math
import shutil
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from curate.ablate.spread import Measure
from curate.evaluate.logprobs import Span, score_plain
from curate.parquet import read_receipt
from curate.tokenizer.bpe import load_tokenizer, train_tokenizer
from curate.tokenizer.pack import INDEX, tokenize
from curate.tokenizer.tokens import Tokens, bin_file
from curate.train.loop import Trained, pretrain
from curate.train.model import Llama, Size
from curate.writer import ShardWriter

Floats = npt.NDArray[np.float64]
Kind = Literal["aa", "ab"]

MODEL = Size(hidden_size=64, num_layers=2, num_heads=2, num_kv_heads=1, ffn_size=128)  # 107 k parameters with
VOCAB = 512  # these tokens
SEQ_LEN, BATCH_TOKENS, STEPS = 64, 1024, 120
PIECE_CHARS = 1_500  # of a piece for training, cut at a line's end
HELD_OUT_CHARS = 120  # of a held-out document, within a window
TRAIN_CHARS = 700_000  # of an arm: the run takes about a third of it
HELD_OUT = 80  # documents of each domain, one a parent
SHUFFLED = 0.3  # of the tokens of a piece
DOMAINS = 3


@dataclass(frozen=True)
class Piece:
    text: str
    parent: str
    domain: str


@dataclass(frozen=True)
class Pool:
    """Pieces of real text and the tokenizer of all experiments."""

    pieces: tuple[Piece, ...]
    tokenizer: Path

    @classmethod
    def read(cls, path: str | None, out: Path) -> "Pool":
        """Cut a Parquet file with `id, source, text` (or the standard library's modules) into pieces."""
        texts = _parquet(path) if path else _library()
        pieces = [piece for domain, parent, text in texts for piece in _cut(domain, parent, text)]
        counts = {name: len({p.parent for p in pieces if p.domain == name}) for name in {p.domain for p in pieces}}
        chosen = sorted(counts, key=lambda name: (-counts[name], name))[:DOMAINS]
        pieces = [piece for piece in pieces if piece.domain in chosen]
        folder = out / "tokenizer"
        if not (folder / "tokenizer.json").exists():
            sample = np.random.default_rng(0).permutation(len(pieces))[:2_000]
            write_texts([pieces[row].text for row in sample], out / "sample")
            train_tokenizer(str(out / "sample"), folder, vocab_size=VOCAB)
        return cls(tuple(pieces), folder)

    def deal(self, seed: int, num_chars: int = TRAIN_CHARS) -> tuple[list[Piece], list[list[Piece]]]:
        """Return held-out pieces, one a parent, and two sets of pieces of other parents to train on."""
        rng = np.random.default_rng(seed)
        order = [self.pieces[row] for row in rng.permutation(len(self.pieces))]
        held: dict[str, Piece] = {}
        counts: dict[str, int] = {}
        for piece in order:
            if piece.parent not in held and counts.get(piece.domain, 0) < HELD_OUT:
                held[piece.parent] = piece
                counts[piece.domain] = counts.get(piece.domain, 0) + 1
        rest = (piece for piece in order if piece.parent not in held)
        return list(held.values()), [_take(rest, num_chars), _take(rest, num_chars)]


def prepare(pool: Pool, folder: Path, kind: Kind, experiment: int) -> tuple[list[Piece], dict[str, Path]]:
    """Return an experiment's held-out documents and the tokens of its two arms."""
    base = first_seed(kind, experiment)
    held, (first, second) = pool.deal(base)
    rng = np.random.default_rng((base, 1))
    if kind == "aa":
        second = [first[row] for row in rng.permutation(len(first))]
    arms = {"clean": first, "other": second}
    tokens = {name: _tokens(pieces, folder / name, pool.tokenizer) for name, pieces in arms.items()}
    if kind == "ab":
        tokens["other"] = shuffle_tokens(tokens["other"], folder / "shuffled", rng)
    return held, tokens


def first_seed(kind: Kind, experiment: int) -> int:
    """No two experiments share a seed, of whatever kind."""
    return 10_000 * (1 + (kind == "ab")) + experiment


def run(pool: Pool, folder: Path, *, kind: Kind, experiment: int, seeds: int) -> Path:
    """Train an experiment's runs, those that are not done, and return the file with what they measured."""
    done = folder.with_suffix(".npz")
    if done.exists():
        return done
    held, tokens = prepare(pool, folder, kind, experiment)
    held = [replace(piece, text=piece.text[:HELD_OUT_CHARS]) for piece in held]
    first = 100 * first_seed(kind, experiment)
    found = {
        name: np.stack([_train(place, folder / f"{name}-{n}", first + n, held) for n in range(seeds)])
        for name, place in tokens.items()
    }
    unfinished = done.with_suffix(".tmp.npz")
    np.savez(unfinished, weights=_num_bytes(held), strata=np.array([piece.domain for piece in held]), **found)
    unfinished.replace(done)
    shutil.rmtree(folder)
    return done


def _train(tokens: Path, out: Path, seed: int, held: list[Piece]) -> Floats:
    """Return the bits per byte of each held-out document (N,), trained now or before."""
    file = out.with_suffix(".npy")
    if not file.exists():
        np.save(file, train(tokens, out, held, seed=seed, model=MODEL, steps=STEPS)[0])
        shutil.rmtree(out)
    values: Floats = np.load(file)
    return values


def train(
    tokens: Path, out: Path, held: list[Piece], *, seed: int, model: str | Size, steps: int
) -> tuple[Floats, Trained]:
    """Train a model and return the bits per byte of each held-out document (N,)."""
    found: list[Floats] = []

    def look(trained: Llama, step: int) -> dict[str, float]:
        found.append(bits_per_byte(trained, tokens, held))
        return {"bits_per_byte": float(found[-1].mean())}

    sizes = {"seq_len": SEQ_LEN, "batch_tokens": BATCH_TOKENS, "steps": steps, "checkpoint_every": steps}
    done = pretrain(tokens, out, model=model, seed=seed, evaluate=look, threads=1, device="cpu", quiet=True, **sizes)  # type: ignore[arg-type]
    return found[-1], done


def train_all(pool: Pool, folder: Path, model: str | Size, num_tokens: int, seeds: int) -> tuple[list[float], int]:
    """Return the held-out bits per byte of some seeds, mean over domains, and the model's parameters."""
    held, (pieces, _) = pool.deal(1, num_chars=max(2 * num_tokens, TRAIN_CHARS))  # a token is nearly two bytes
    held = [replace(piece, text=piece.text[:HELD_OUT_CHARS]) for piece in held]
    tokens = _tokens(pieces, folder / f"{num_tokens}", pool.tokenizer)
    scores, parameters = [], 0
    for seed in range(seeds):
        shutil.rmtree(folder / "run", ignore_errors=True)
        values, done = train(tokens, folder / "run", held, seed=seed, model=model, steps=num_tokens // BATCH_TOKENS)
        domains = [piece.domain for piece in held]
        scores.append(float(Measure("", {"": values[None]}, _num_bytes(held), domains).scores("")[0]))
        parameters = done.num_parameters
    return scores, parameters


def bits_per_byte(model: Llama, tokens: Path, held: list[Piece]) -> Floats:
    """Return the bits that the model needs for each document, begun by the end mark, over its bytes (N,).

    What does not fit in the window is not read: a constant of the document, the same in all runs.
    """
    opened = Tokens(tokens)
    encoded = load_tokenizer(opened.tokenizer).encode_batch([p.text for p in held], add_special_tokens=False)
    spans = [Span((opened.end_of_text, *ids.ids)[: SEQ_LEN + 1], 1) for ids in encoded]
    nats = [-scored.logprobs.sum(dtype=np.float64) for scored in score_plain(model, spans)]
    return np.array(nats) / math.log(2) / _num_bytes(held)


def _num_bytes(held: list[Piece]) -> Floats:
    return np.array([len(piece.text.encode()) for piece in held], dtype=np.float64)


def shuffle_tokens(source: Path, out: Path, rng: np.random.Generator) -> Path:
    """Write tokens in which a share SHUFFLED of each document's change places; end marks stay where they are."""
    shutil.copytree(source / "tokenizer", out / "tokenizer", dirs_exist_ok=True)
    for name in Tokens(source).shards:
        index, receipt = pq.read_table(source / f"{name}.parquet"), read_receipt(str(source / f"{name}.parquet"))
        assert receipt is not None
        ids = np.fromfile(bin_file(source, name), dtype=receipt["dtype"])
        for start, stop in zip(index["start"].to_numpy(), index["stop"].to_numpy(), strict=True):
            places = start + np.flatnonzero(rng.random(stop - 1 - start) < SHUFFLED)
            ids[places] = ids[rng.permutation(places)]
        ids.tofile(bin_file(out, name))
        with ShardWriter(str(out), name, INDEX) as writer:
            for batch in index.to_batches():
                writer.write(batch)
            writer.commit({**receipt, "shuffled": SHUFFLED})
    return out


def write_texts(texts: list[str], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table({"id": [f"{number:06}" for number in range(len(texts))], "text": texts})
    pq.write_table(table, folder / "texts.parquet")
    return folder


def _tokens(pieces: list[Piece], folder: Path, tokenizer: Path) -> Path:
    write_texts([piece.text for piece in pieces], folder / "texts")
    tokenize(str(folder / "texts"), folder / "tokens", tokenizer=tokenizer)
    return folder / "tokens"


def _take(pieces: Iterator[Piece], num_chars: int) -> list[Piece]:
    """Take pieces until they hold so many characters."""
    found: list[Piece] = []
    while num_chars > 0 and (piece := next(pieces, None)) is not None:
        found.append(piece)
        num_chars -= len(piece.text)
    if num_chars > 0:
        raise ValueError(f"the texts are {num_chars:,} characters short; give a larger file")
    return found


def _parquet(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield (domain, parent, text); a domain is the first part of a source."""
    table = pq.read_table(path, columns=["id", "source", "text"])
    for row in table.to_pylist():
        yield row["source"].partition("/")[0], row["id"], row["text"]


def _library() -> Iterator[tuple[str, str, str]]:
    """Yield the standard library's modules; three domains by how their names begin."""
    root = Path(sysconfig.get_path("stdlib"))
    files = [p for p in sorted(root.rglob("*.py")) if "site-packages" not in p.parts]
    for number, file in enumerate(files):
        yield f"library {number % DOMAINS}", str(file.relative_to(root)), file.read_text(errors="replace")


def _cut(domain: str, parent: str, text: str) -> Iterator[Piece]:
    """Cut a text into pieces of about PIECE_CHARS at line ends, at most 40 of them, so that no book is the corpus."""
    lines, size, count = [], 0, 0
    for line in text.splitlines(keepends=True):
        lines.append(line)
        size += len(line)
        if size >= PIECE_CHARS:
            yield Piece("".join(lines)[: 2 * PIECE_CHARS], parent, domain)
            lines, size, count = [], 0, count + 1
            if count == 40:
                return
