"""How good the classifiers are on documents they have not seen, beside fastText, and what a cascade saves.

    python benchmarks/quality.py web_edu --labels labels/web_edu.jsonl --documents web/text.parquet [--whole edu/ low/]
    python benchmarks/quality.py code_edu --labels labels/code_edu.jsonl --documents code/code.parquet

Five folds that never divide near-copies (nor a source whose name begins as --whole says), each with its own
calibration learnt inside; 95 % bootstrap intervals. `fastText` is the package's supervised classifier, trained on the
same folds as FineWeb-Edu's and DCLM's peers do (word pairs, no pretrained vectors), its probability calibrated like our
scores. `static` is a gate that was not chosen: static token vectors distilled from the encoder as model2vec does it
(Tulkens & van Dongen 2024), with our head on their mean. The cascade's cost is the share of documents that the encoder
reads, and documents per second of both parts, measured in turn on one thread. `--halves N` fits and certifies on one
half of the documents and looks at the recall on the other, N times. FineWeb-Edu's numbers are its model card's, on its
own pages and grades.
"""

import argparse
import importlib
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.classify.annotations import read_annotations, read_table
from curate.classify.calibration import calibrate
from curate.classify.cascade import certify
from curate.classify.embedding import Encoder, locate, unit
from curate.classify.fit import Data, cross_validate, evidence_of, learn, measure, split
from curate.classify.gate import count_features
from curate.classify.head import fit_head
from curate.corpus import Corpus

PUBLISHED = "FineWeb-Edu  .682 F1, .763 precision, .617 recall, .827 macro-F1 (model card)"
NAMES = ("f1", "precision", "recall", "macro_f1", "spearman", "mae")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="web_edu or code_edu")
    parser.add_argument("--labels", required=True)
    parser.add_argument("--documents", required=True)
    parser.add_argument("--seeds", type=int, default=1, help="of the folds; measures are of each, then their mean")
    parser.add_argument(
        "--whole", nargs="*", default=[], help="beginnings of `source` that no fold divides, such as edu/"
    )
    parser.add_argument("--halves", type=int, default=0)
    parser.add_argument("--ours-only", action="store_true")
    given = parser.parse_args()
    quality = importlib.import_module(f"classifiers.{given.name}")
    table = read_table(given.labels)
    if given.whole:
        table = table.append_column("group", sources(table, given.documents, given.whole))
    graded = read_annotations(table, given.documents)
    features, gate_s = timed(lambda: count_features(graded.texts))
    vectors, encoder_s = timed(lambda: quality.ENCODER(graded.texts))
    at_least = quality.AT_LEAST
    data = Data(features, vectors, graded.grades, graded.weights, graded.groups, at_least)
    print(
        f"{len(graded.texts):,} grades, {int((data.weights > 0).sum()):,} measured, {len(set(graded.groups)):,} groups"
    )
    seen = []
    for seed in range(given.seeds):
        scores = cross_validate(data, 5, seed, quality.GATE_SHARE)
        if not given.ours_only:
            others = {"fastText": fasttext_scores(graded.texts, data, seed)}
            scores = others | {"static": static_scores(graded.texts, data, quality.ENCODER, seed)} | scores
        table_of = measure(data, scores)
        seen.append(table_of)
        show((name, [str(row[each]) for each in NAMES]) for name, row in table_of.items())
    if given.seeds > 1:
        means = {part: [np.mean([run[part][each].value for run in seen]) for each in NAMES] for part in seen[0]}
        show((f"{part}, mean of seeds", [f"{value:.3f}" for value in values]) for part, values in means.items())
    print(PUBLISHED)
    cost(data, graded, scores, quality, gate_s, encoder_s)
    if given.halves:
        halves(data, graded, quality.GATE_SHARE, given.halves)


def show(rows: Iterable[tuple[str, Sequence[str]]]) -> None:
    print(f"{'':24}" + "".join(f"{name:>22}" for name in NAMES))
    for name, values in rows:
        print(f"{name:24}" + "".join(f"{value:>22}" for value in values), flush=True)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    work()  # compiles and loads
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def sources(table: pa.Table, documents: str, beginnings: Sequence[str]) -> pa.Array:
    """Return each row's source where it begins with one of `beginnings`, else null."""
    rows = Corpus(documents).table(["id", "source"])
    source = dict(zip(rows["id"].to_pylist(), rows["source"].to_pylist(), strict=True))
    named = [source[document] for document in table["id"].to_pylist()]
    return pa.array([name if name.startswith(tuple(beginnings)) else None for name in named], pa.string())


def fasttext_scores(texts: Sequence[str], data: Data, seed: int) -> np.ndarray:
    """Return calibrated scores of fastText trained on each fold, with the inner folds that our parts have."""
    lines = [" ".join(text[:4000].lower().split()) for text in texts]
    predicted = np.zeros(len(lines), np.float32)
    for train, test in split(data, 5, seed):
        inner = np.zeros(len(lines))
        for at, held in split(data.rows(train), 5, seed + 1):
            inner[train[held]] = fasttext_logits(lines, data, train[at], train[held])
        curve = calibrate(inner[train], data.grades[train], at_least=data.at_least, weights=data.weights[train])
        predicted[test] = curve(fasttext_logits(lines, data, train, test))
    return predicted


def fasttext_logits(lines: Sequence[str], data: Data, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    import fasttext

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        path.write_text("".join(f"__label__{'hq' if data.positive[i] else 'cc'} {lines[i]}\n" for i in train))
        # Each of ten threads sets a tenth of version 0.9.3's weights, the eleventh the rest; the others stay unset.
        options = {"wordNgrams": 2, "dim": 100, "bucket": 200_000, "epoch": 25, "lr": 0.5, "thread": 11, "verbose": 0}
        model = fasttext.train_supervised(str(path), **options)
    labels, shares = model.predict([lines[i] for i in test], k=2)
    good = [
        dict(zip(names, values, strict=True)).get("__label__hq", 0.0)
        for names, values in zip(labels, shares, strict=True)
    ]
    share = np.clip(np.array(good), 1e-6, 1 - 1e-6)
    return np.log(share / (1 - share))


def static_scores(texts: Sequence[str], data: Data, encoder: Encoder, seed: int) -> np.ndarray:
    """Return calibrated scores of our head on mean static vectors."""
    vectors, rate = static_vectors(texts, encoder.model)
    print(f"static embeddings: {rate:,.0f} documents/s")
    data = replace(data, vectors=vectors)
    predicted = np.zeros(len(texts), np.float32)
    for train, test in split(data, 5, seed):
        inner = np.zeros(len(texts))
        for at, held in split(data.rows(train), 5, seed + 1):
            inner[train[held]] = fit_head(vectors[train[at]], data.grades[train[at]]).score(vectors[train[held]])
        curve = calibrate(inner[train], data.grades[train], at_least=data.at_least, weights=data.weights[train])
        predicted[test] = curve(fit_head(vectors[train], data.grades[train]).score(vectors[test]))
    return predicted


def static_vectors(texts: Sequence[str], model: str, dim: int = 256) -> tuple[np.ndarray, float]:
    """Return (N, dim) unit vectors and documents per second.

    Each token of the vocabulary goes through the encoder alone; principal components, weighted by log(1 + rank), are
    its vector, and a text's vector is the mean over its tokens.
    """
    from sentence_transformers import SentenceTransformer

    teacher = SentenceTransformer(str(locate(model)), device="cpu")
    tokenizer = teacher.tokenizer
    words = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    outputs = teacher.encode([word.removeprefix("##") for word in words], batch_size=512, show_progress_bar=False)
    centred = outputs - outputs.mean(0)
    components = np.linalg.svd(centred.T @ centred)[0][:, :dim]
    table = (centred @ components) * np.log(1 + np.arange(1, len(words) + 1))[:, None]
    start = time.perf_counter()
    tokens = tokenizer([text[:4000] for text in texts], add_special_tokens=False, truncation=False)["input_ids"]
    vectors = np.stack([table[ids].mean(0) if ids else np.zeros(dim) for ids in tokens])
    return unit(vectors.astype(np.float32)), len(texts) / (time.perf_counter() - start)


def cost(data: Data, graded, scores: dict[str, np.ndarray], quality, gate_s: float, encoder_s: float) -> None:  # type: ignore[no-untyped-def]
    """Print what the cascade costs and loses against the encoder everywhere, at the ordinary cut and at a promise."""
    rows = np.arange(len(data.grades))
    held = evidence_of(graded, rows, scores)
    learnt = learn(data, 5, 0, quality.GATE_SHARE)
    _, score_s = timed(lambda: learnt.gate.score_features(data.features))
    gate_rate, encoder_rate = len(rows) / (gate_s + score_s), len(rows) / encoder_s
    print(f"gate {gate_rate:,.0f} documents/s, encoder {encoder_rate:,.0f} documents/s, one thread")
    measured, good = data.weights > 0, data.positive
    for promise in (None, 0.9, 0.95):
        cuts, lines = {}, []
        for part in ("cascade", "mean", "gate"):
            found = certify(held, promise, reach=learnt.reach, part=part) if promise else None  # type: ignore[arg-type]
            cuts[part] = found.cut if found else data.at_least - 0.5
            kept = held.scores(part, learnt.reach) >= np.float32(cuts[part])
            f1 = 2 * (kept & good & measured).sum() / ((kept & measured).sum() + (good & measured).sum())
            lines.append(f"{part} F1 {f1:.3f} recall {(kept & good & measured).sum() / (good & measured).sum():.3f}")
        read = float(learnt.reach.unsure(held.gate, cuts["cascade"])[measured].mean())
        dearer = (1 / gate_rate + 1 / encoder_rate) / (1 / gate_rate + read / encoder_rate)
        name = f"recall >= {promise}" if promise else "cut 2.5"
        gap = difference(held, learnt.reach, cuts, good, measured)
        print(f"{name:15} encoder reads {read:.1%}: {dearer:.1f} times cheaper; {'; '.join(lines)}; F1 lost {gap}")


def difference(held, reach, cuts: dict[str, float], good: np.ndarray, measured: np.ndarray) -> str:  # type: ignore[no-untyped-def]
    """Return F1 of the encoder everywhere minus the cascade's, with a paired bootstrap interval over groups."""
    kept = {part: held.scores(part, reach) >= np.float32(cut) for part, cut in cuts.items()}
    _, group = np.unique(held.groups[measured], return_inverse=True)
    rng, values = np.random.default_rng(0), []
    for draw in range(1001):
        times = np.bincount(rng.integers(group.max() + 1, size=group.max() + 1), minlength=group.max() + 1)[group]
        times = np.ones(len(group)) if draw == 0 else times
        f1 = {
            p: 2 * times @ (k & good)[measured] / (times @ k[measured] + times @ good[measured])
            for p, k in kept.items()
        }
        values.append(f1["mean"] - f1["cascade"])
    low, high = np.percentile(values[1:], (2.5, 97.5))
    return f"{values[0]:+.3f} [{low:+.3f}, {high:+.3f}]"


def halves(data: Data, graded, gate_share: float, times: int) -> None:  # type: ignore[no-untyped-def]
    """Fit and certify on half of the documents, and count what the cut finds in the other half."""
    found = positives = below = 0
    for seed in range(times):
        names = np.random.default_rng(seed).permutation(np.unique(data.groups))
        first = np.flatnonzero(np.isin(data.groups, names[: len(names) // 2]))
        second = np.setdiff1d(np.arange(len(data.grades)), first)
        part = data.rows(first)
        learnt = learn(part, 5, seed, gate_share)
        held = evidence_of(graded, first, cross_validate(part, 5, seed, gate_share))
        cut = certify(held, 0.8, reach=learnt.reach).cut
        scores = learnt.scores(data.rows(second), gate_share)["cascade"]
        good = data.positive[second] & (data.weights[second] > 0)
        found += int((scores[good] >= np.float32(cut)).sum())
        positives += int(good.sum())
        below += (scores[good] >= np.float32(cut)).mean() < 0.8
    print(f"{times} halves, recall >= 0.8 promised by one: {found / positives:.3f} found in the other; below: {below}")


if __name__ == "__main__":
    main()
