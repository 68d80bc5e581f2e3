"""Fit a shipped classifier again from its grades and put the artefact beside its file.

python -m classifiers web_edu --labels labels/web_edu.jsonl --documents web/text.parquet
python -m classifiers code_edu --labels labels/code_edu.jsonl benchmarks/grades/code_languages.jsonl \\
    --documents code/code.parquet web/text.parquet
"""

import argparse
import importlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curate.classify.annotations import LANGUAGE, read_table
from curate.classify.fit import FitReport, fit
from curate.classify.model import read_model
from curate.corpus import Corpus
from curate.document import ID, TEXT


def refit(name: str, labels: Sequence[str], documents: Sequence[str]) -> FitReport:
    """Fit `classifiers.<name>` to graded ids and replace its files."""
    quality = importlib.import_module(f"classifiers.{name}")
    with tempfile.TemporaryDirectory() as folder:
        report = fit(
            graded(labels, documents),
            folder,
            classifier=name,
            encoder=quality.ENCODER,
            at_least=quality.AT_LEAST,
            gate_share=quality.GATE_SHARE,
            languages=getattr(quality, "LANGUAGES", ()),
        )
        read_model(folder).write(quality.MODEL)
    return report


def graded(labels: Sequence[str], documents: Sequence[str]) -> pa.Table:
    """Return the grades of several files with texts, and languages where the grades tell none.

    An id counts once, with the grade of the first file that has it.

    Raises:
        ValueError: an id is in none of the documents.
    """
    table = pa.concat_tables([read_table(path) for path in labels], promote_options="default")
    first = {document: row for row, document in reversed(list(enumerate(table[ID].to_pylist())))}
    table = table.take(pa.array(sorted(first.values())))
    wanted, found = pc.unique(table[ID]).cast(pa.large_string()), {}
    for path in documents:
        corpus = Corpus(path)
        for batch in corpus.batches([name for name in (ID, TEXT, LANGUAGE) if name in corpus.schema.names]):
            chosen = batch.filter(pc.is_in(batch[ID].cast(pa.large_string()), wanted))
            found |= {row[ID]: row for row in chosen.to_pylist()}
    ids = table[ID].to_pylist()
    missing = [document for document in ids if document not in found]
    if missing:
        raise ValueError(f"{len(missing)} of {len(ids)} graded ids (first {missing[0]!r}) are not in the documents")
    told = table[LANGUAGE].to_pylist() if LANGUAGE in table.column_names else [None] * len(ids)
    languages = [own or found[document].get(LANGUAGE) for own, document in zip(told, ids, strict=True)]
    table = table.drop_columns([LANGUAGE]) if LANGUAGE in table.column_names else table
    table = table.append_column(LANGUAGE, pa.array(languages, pa.string()))
    return table.append_column(TEXT, pa.array([found[document][TEXT] for document in ids], pa.large_string()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(path.stem for path in Path(__file__).parent.glob("*_edu.py")))
    parser.add_argument("--labels", required=True, nargs="+", help="JSONL or Parquet with id and score")
    parser.add_argument("--documents", required=True, nargs="+", help="Parquet with id and text")
    arguments = parser.parse_args()
    print(refit(arguments.name, arguments.labels, arguments.documents))
