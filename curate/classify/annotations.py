"""Graded texts as arrays: from a corpus, a Parquet or JSONL file, or a table, with near-copies found.

    graded = read_annotations("labels/web_edu.jsonl", documents="web/text.parquet")
    graded.texts, graded.grades, graded.weights, graded.groups

A copy of a training page among the test pages makes every classifier look better than it is. So texts that share a
run of 20 words are put into one group, and groups are never divided; what many texts share (licences, menus) does not
count.
"""

import gzip
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus import Corpus
from curate.document import ID, TEXT, with_columns

SCORE, WEIGHT, DRAWN, GROUP, LANGUAGE = "score", "weight", "drawn", "group", "language"
COLUMNS = (ID, SCORE, TEXT, WEIGHT, DRAWN, GROUP, LANGUAGE)
RUN_WORDS = 20
KEPT_RUNS = 8  # one run in eight is looked at: whether it is depends on its words, so copies agree
MAX_SHARED = 10  # a run in more texts than this is a template


@dataclass(frozen=True, eq=False)
class Annotations:
    """Graded documents, row by row."""

    texts: list[str]
    grades: np.ndarray  # (N,) float64
    weights: np.ndarray  # (N,) float64
    groups: np.ndarray  # (N,) int64
    languages: list[str | None]  # of the column `language`, where there is one

    def rows(self, rows: np.ndarray) -> "Annotations":
        """Return some documents, in the order of `rows`."""
        texts, languages = [self.texts[row] for row in rows], [self.languages[row] for row in rows]
        return Annotations(texts, self.grades[rows], self.weights[rows], self.groups[rows], languages)


def read_annotations(annotations: str | Path | pa.Table, documents: str | Path | None = None) -> Annotations:
    """Read the rows that have a score; take the texts from `documents`, by id, where that is given."""
    table = annotations if isinstance(annotations, pa.Table) else read_table(annotations)
    name = "the annotations" if isinstance(annotations, pa.Table) else str(annotations)
    table = with_texts(table, documents, name) if documents is not None else table
    for column in (SCORE, TEXT):
        if column not in table.column_names:
            hint = "; give documents= to take the texts by id" if column == TEXT else ""
            raise ValueError(f"{name} has no column {column!r}; it has {table.column_names}{hint}")
    table = table.filter(pc.and_(pc.is_valid(table[SCORE]), pc.is_valid(table[TEXT])))
    texts = table[TEXT].to_pylist()
    grades, weights = _numbers(table, SCORE, name), _weights(table, name)
    for column, bad in ((SCORE, ~np.isfinite(grades)), (WEIGHT, ~(np.isfinite(weights) & (weights >= 0)))):
        if bad.any():
            row = table.slice(int(np.argmax(bad)), 1)
            which = repr(row[ID][0].as_py()) if ID in row.column_names else repr(texts[int(np.argmax(bad))][:40])
            must = "0 or more" if column == WEIGHT else "a number, or null where there is no grade"
            raise ValueError(f"{name}: {column} of {which} is {row[column][0].as_py()}; it must be {must}")
    weights = weights / weights[weights > 0].mean() if (weights > 0).any() else weights  # only ratios matter
    given = table[GROUP].to_pylist() if GROUP in table.column_names else [None] * len(texts)
    languages = table[LANGUAGE].to_pylist() if LANGUAGE in table.column_names else [None] * len(texts)
    return Annotations(texts, grades, weights, near_copies(texts, given), languages)


def read_table(path: str | Path) -> pa.Table:
    """Read a corpus, a Parquet file or a JSONL file whole."""
    if str(path).endswith((".jsonl", ".jsonl.gz", ".json")):
        return read_jsonl(Path(path))
    return Corpus(str(path)).table()


def read_jsonl(path: Path) -> pa.Table:
    """Read the columns that are known here from JSON lines of any length.

    Raises:
        ValueError: a line is no JSON object, or there is none; says which.
    """
    rows = []
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number}: no JSON ({error}); give one object a line") from error
            if not isinstance(row, dict):
                raise ValueError(f"{path}, line {number}: {str(row)[:40]!r} is no object with id, score, text")
            rows.append(row)
    names = [name for name in COLUMNS if any(name in row for row in rows)]
    if not names:
        raise ValueError(f"{path} holds no line with {', '.join(COLUMNS)}; annotate documents with `curate annotate`")
    columns = {name: [row.get(name) for row in rows] for name in names}
    for name in {ID, GROUP} & columns.keys():  # numbers are names too
        columns[name] = [value if value is None else str(value) for value in columns[name]]
    try:
        return pa.table(columns)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:  # a text after a number, a number after a text
        raise ValueError(
            f"{path} mixes kinds of values in a column ({error}); write every score as a number"
        ) from error


def with_texts(table: pa.Table, documents: str | Path, name: str) -> pa.Table:
    """Add the texts of `documents` by id.

    Raises:
        ValueError: a column is missing, or an id is not in `documents`.
    """
    if ID not in table.column_names:
        raise ValueError(f"{name} has no column {ID!r} to find texts by; it has {table.column_names}")
    named = table[ID].cast(pa.large_string())  # numbers are names too, and `curate annotate` writes them as such
    ids, wanted = named.to_pylist(), pc.unique(named)
    found: dict[str, dict[str, str | None]] = {}
    corpus = Corpus(str(documents))
    names = [name for name in (ID, TEXT, LANGUAGE) if name in corpus.schema.names]
    for batch in corpus.batches(names):
        batch = with_columns(batch, {ID: batch[ID].cast(pa.large_string())})
        found |= {row[ID]: row for row in batch.filter(pc.is_in(batch[ID], wanted)).to_pylist()}
    missing = [document for document in ids if document not in found]
    if missing:
        raise ValueError(f"{len(missing)} of {len(ids)} graded ids (first {missing[0]!r}) are not in {documents}")
    table = table.drop_columns([name for name in names if name != ID and name in table.column_names])
    for name, kind in ((TEXT, pa.large_string()), (LANGUAGE, pa.string())):
        if name in names:
            table = table.append_column(name, pa.array([found[document][name] for document in ids], kind))
    return table


def text_keys(texts: list[str]) -> np.ndarray:
    """Return (N,) uint64 hashes of the texts, to know a document again."""
    digests = (blake2b(text.encode("utf-8", "replace"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def near_copies(texts: list[str], given: list[object] | None = None) -> np.ndarray:
    """Return (N,) int64 group numbers; texts that are equal, share a run of words or a given group have the same."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links, firsts = _shared_runs(texts), dict[object, int]()
    for row, text in enumerate(texts):
        links.append((firsts.setdefault(("text", text), row), row))
        if given is not None and given[row] is not None:
            links.append((firsts.setdefault(("group", given[row]), row), row))
    left, right = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(left)), (left, right)), shape=(len(texts), len(texts)))
    return connected_components(graph, directed=False)[1].astype(np.int64)  # type: ignore[no-any-return]


def _shared_runs(texts: list[str]) -> list[tuple[int, int]]:
    """Return (first text, other text) for every run that 2 to MAX_SHARED texts have."""
    found = [np.frombuffer(b"".join(runs(text)), np.uint64) for text in texts]
    owners = np.repeat(np.arange(len(texts), dtype=np.int32), [len(keys) for keys in found])
    keys = np.concatenate([*found, np.zeros(0, np.uint64)])
    _, starts, which, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    first = owners[starts][which]
    linked = (counts <= MAX_SHARED)[which] & (first != owners)
    return list(zip(first[linked].tolist(), owners[linked].tolist(), strict=True))


def runs(text: str) -> set[bytes]:
    """Return a sample of the runs of RUN_WORDS words, the same runs in every text that has them."""
    words = text[:20_000].lower().split()
    hashes = (
        blake2b(" ".join(words[i : i + RUN_WORDS]).encode("utf-8", "replace"), digest_size=8).digest()
        for i in range(max(0, len(words) - RUN_WORDS + 1))
    )
    return {value for value in hashes if value[0] % KEPT_RUNS == 0}


def _weights(table: pa.Table, name: str) -> np.ndarray:
    """Return (N,) float64: the column `weight`; without one, 1 for what was `drawn` at "random" and 0 for the rest."""
    if WEIGHT in table.column_names:
        return _numbers(table, WEIGHT, name)
    if DRAWN in table.column_names:
        return np.array([float(drawn == "random") for drawn in table[DRAWN].to_pylist()])
    return np.ones(table.num_rows)


def _numbers(table: pa.Table, column: str, name: str) -> np.ndarray:
    try:
        numbers: np.ndarray = pc.cast(table[column], pa.float64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"{name}: the column {column!r} must hold numbers: {error}") from error
    return numbers
