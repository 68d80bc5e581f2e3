"""Annotations as a corpus: one row for each document, and what earlier runs left in the folder.

The columns `weight` and `stratum` say what a row stands for: of `stratum`, `weight` documents of the source. Weights
depend on how many of a stratum were graded, so a run that adds to the folder, or stops early, brings the shards up to
date at its end (`reweigh`); the sum of all weights is the number of documents of the source.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from curate.corpus import Corpus, shard_name
from curate.document import ID, TEXT, Batch, int_score
from curate.parquet import read_receipt
from curate.teacher.ask import Answer
from curate.teacher.rubric import Rubric
from curate.teacher.sample import Document, Hashes, hashes
from curate.writer import ShardWriter

SCHEMA = pa.schema(
    [
        (TEXT, pa.string()),  # the whole text; the teacher saw the first `rubric.max_chars` characters
        (ID, pa.string()),
        ("score", pa.float32()),  # null unless outcome is "ok"
        ("int_score", pa.int64()),
        ("weight", pa.float64()),  # documents of the source that this one stands for
        ("stratum", pa.string()),
        ("why", pa.string()),
        ("reply", pa.string()),  # the last answer as it came
        ("outcome", pa.string()),  # see curate.teacher.rubric.OUTCOMES
        ("attempts", pa.int32()),
        ("prompt_tokens", pa.int64()),  # of all attempts together
        ("completion_tokens", pa.int64()),
        ("unknown_tries", pa.int32()),  # requests whose end was never learnt, beside the attempts
        ("teacher", pa.string()),
        ("rubric", pa.string()),
        ("rubric_digest", pa.string()),
    ]
)


@dataclass(frozen=True)
class Finished:
    """What the shards of earlier runs hold."""

    hashes: Hashes  # sorted, of the ids
    seed: int
    num_shards: int = 0
    num_graded: int = 0
    num_refused: int = 0
    num_answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def holds(self, document_id: str) -> bool:
        [wanted] = hashes([document_id], self.seed)
        place = int(np.searchsorted(self.hashes, wanted))
        return place < len(self.hashes) and bool(self.hashes[place] == wanted)


def read_finished(out: str, recipe: Mapping[str, Any], seed: int) -> Finished:
    """Look at the shards in `out`; raise if they are of another recipe."""
    try:
        corpus = Corpus(out)
        receipts = corpus.receipts()
    except FileNotFoundError:
        return Finished(np.empty(0, np.uint64), seed)
    for name, receipt in receipts.items():
        refuse_another(f"{out}/{name}.parquet", receipt or {}, recipe)
    found, sums = [], Counter[str]()
    for batch in corpus.batches([ID, "score", "attempts", "prompt_tokens", "completion_tokens"]):
        found.append(hashes(batch[ID].to_pylist(), seed))
        sums["graded"] += batch.num_rows - batch["score"].null_count
        for column in ("attempts", "prompt_tokens", "completion_tokens"):
            sums[column] += int(np.sum(batch[column].to_numpy()))
    return Finished(
        np.unique(np.concatenate(found)) if found else np.empty(0, np.uint64),
        seed,
        num_shards=1 + max(int(name) for name in receipts),
        num_graded=sums["graded"],
        num_refused=sum(refusals(receipt or {}) for receipt in receipts.values()),
        num_answers=sums["attempts"],
        prompt_tokens=sums["prompt_tokens"],
        completion_tokens=sums["completion_tokens"],
    )


def refusals(receipt: Mapping[str, Any]) -> int:
    """Return how many documents of a shard the server refused."""
    return int((receipt.get("outcomes") or {}).get("refused", 0))


def refuse_another(path: str, receipt: Mapping[str, Any], recipe: Mapping[str, Any]) -> None:
    """Raise unless the shard at `path` was made as `recipe` says."""
    there, asked = receipt.get("annotate") or {}, recipe["annotate"]
    if receipt.get("format") == recipe["format"] and there == asked:
        return
    other = [key for key in asked if there.get(key) != asked[key]]
    differences = [f"{key}: there {there.get(key)}, asked {asked[key]}" for key in other]
    why = "; ".join(differences) or f"format {receipt.get('format')}, now {recipe['format']}"
    raise ValueError(f"{path} holds other annotations ({why}); write to another folder")


def write_shard(
    out: str,
    number: int,
    settled: Sequence[tuple[Document, Answer]],
    recipe: Mapping[str, Any],
    teacher: str,
    rubric: Rubric,
) -> None:
    """Write documents and their answers as one shard."""
    with ShardWriter(out, f"{number:05d}", SCHEMA) as writer:
        writer.write(to_batch(settled, teacher, rubric))
        outcomes = Counter(answer.grade.outcome for _, answer in settled)
        writer.commit({**recipe, "outcomes": dict(sorted(outcomes.items()))})


def to_batch(settled: Sequence[tuple[Document, Answer]], teacher: str, rubric: Rubric) -> Batch:
    """Lay documents and their answers out as rows of `SCHEMA`."""
    documents, answers = [document for document, _ in settled], [answer for _, answer in settled]
    scores = [answer.grade.score for answer in answers]
    columns: dict[str, Sequence[object]] = {
        TEXT: [document.text for document in documents],
        ID: [document.id for document in documents],
        "score": scores,
        "int_score": [None if score is None else int(int_score(np.array(score))) for score in scores],
        "weight": [document.weight for document in documents],
        "stratum": [document.stratum for document in documents],
        "why": [answer.grade.why for answer in answers],
        "reply": [answer.reply for answer in answers],
        "outcome": [answer.grade.outcome for answer in answers],
        "attempts": [answer.attempts for answer in answers],
        "prompt_tokens": [answer.prompt_tokens for answer in answers],
        "completion_tokens": [answer.completion_tokens for answer in answers],
        "unknown_tries": [answer.unknown for answer in answers],
        "teacher": [teacher] * len(answers),
        "rubric": [rubric.name] * len(answers),
        "rubric_digest": [rubric.digest()] * len(answers),
    }
    arrays = [pa.array(columns[column.name], column.type) for column in SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def reweigh(out: str, sizes: Mapping[str, int]) -> None:
    """Set every weight to the documents of its stratum over its rows in `out`; shards that are right stay untouched."""
    corpus = Corpus(out)
    rows = Counter[str]()
    for batch in corpus.batches(["stratum"]):
        rows.update(batch["stratum"].to_pylist())
    for path in corpus.files:
        shard = Corpus(path)
        [table] = [shard.table(["stratum", "weight"])]
        weights = np.array([sizes[name] / rows[name] for name in table["stratum"].to_pylist()])
        if np.allclose(weights, table["weight"].to_numpy(), rtol=1e-9, atol=0.0):
            continue
        whole = shard.table()
        whole = whole.set_column(whole.schema.get_field_index("weight"), "weight", pa.array(weights))
        with ShardWriter(out, shard_name(path, out), SCHEMA) as writer:
            for batch in whole.to_batches():
                writer.write(batch)
            writer.commit(read_receipt(path) or {})
