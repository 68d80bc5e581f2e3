"""datatrove's own blocks as our stages: the same decisions and texts as datatrove itself, in a run too."""

import pickle
import subprocess
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

pytest.importorskip("datatrove")

from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, GopherQualityFilter, LambdaFilter, RegexFilter
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.formatters import PIIFormatter, SymbolLinesFormatter
from datatrove.pipeline.readers import JsonlReader

from curate.corpus import Corpus
from curate.readers import open_source
from curate.run import run
from curate.signals.datatrove import Datatrove

PROSE = "The cells of a leaf turn light into sugar, and that is what we have with us to eat. " * 6
TEXTS = [
    PROSE,
    "Too short.",
    f"{PROSE}\nuse cookies here please.\nOne more line[1] stays here.",
    f"{PROSE} {{code}}",
    "word " * 200,
    "Write to a@b.com or c@d.com now.",
]


def batch(texts=TEXTS, **columns):
    rows = len(texts)
    ids = {"text": pa.array(texts, pa.string()), "id": [f"doc-{i}" for i in range(rows)]}
    return pa.RecordBatch.from_pydict(ids | {name: pa.array(values) for name, values in columns.items()})


def by_datatrove(block, rows):
    """Run the block as datatrove does: (text, reason) of each document, and the ids that it lets pass."""
    documents = [Document(row["text"], row["id"], metadata={}) for row in rows.to_pylist()]
    return {document.id: document.text for document in block.run(iter(documents))}


def is_short(document):
    return len(document.text) < 100


class Tagger(BaseFilter):
    """A filter that reads a column, writes one that is there and one that is new."""

    name = "tagger"

    def __init__(self, limit=3):
        super().__init__()
        self.limit = limit

    def filter(self, doc):
        doc.metadata["seen"] = doc.metadata["seen"] + 1
        doc.metadata["initial"] = doc.text[:1]
        return doc.metadata["seen"] <= self.limit, "seen_too_often"


class Batched(BaseFilter):
    """Keeps the longest of every two documents."""

    name = "batched"

    def __init__(self):
        super().__init__(batch_size=2)

    def filter(self, doc):
        raise NotImplementedError

    def filter_batch(self, batch):
        longest = max(len(doc.text) for doc in batch)
        return [len(doc.text) == longest for doc in batch]


@pytest.mark.parametrize(
    "block",
    [
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        LambdaFilter(is_short),
        RegexFilter("cookies"),
        Batched(),
        PIIFormatter(),
        SymbolLinesFormatter(),
    ],
    ids=lambda block: type(block).__name__,
)
def test_decisions_and_texts_equal_datatrove_s_own_run(block):
    rows = batch()
    ours = Datatrove(block)(rows)
    theirs = by_datatrove(block, rows)
    marks = ours["dropped_by"].to_pylist() if "dropped_by" in ours.schema.names else [None] * len(TEXTS)
    kept = {row["id"]: row["text"] for row, mark in zip(ours.to_pylist(), marks, strict=True) if not mark}
    if isinstance(block, PIIFormatter):  # datatrove's goes on in its list from run to run, ours begins anew
        theirs = by_datatrove(PIIFormatter(), rows)
    assert kept == theirs


def test_a_mark_names_the_filter_and_its_reason():
    marks = Datatrove(C4QualityFilter(filter_no_terminal_punct=False))(batch())["dropped_by"].to_pylist()
    assert marks[1] == ["C4QualityFilter.too_few_sentences"]
    assert marks[3] == ["C4QualityFilter.curly_bracket"]
    assert Datatrove(LambdaFilter(is_short))(batch())["dropped_by"].to_pylist()[0] == ["LambdaFilter"]


def test_ftfy_runs():
    pytest.importorskip("ftfy")
    from datatrove.pipeline.formatters import FTFYFormatter

    stage = Datatrove(FTFYFormatter())
    assert stage(batch(["schÃ¶n", None]))["text"].to_pylist() == ["schön", None]
    assert "FTFYFormatter" in repr(stage)


def test_metadata_go_both_ways():
    rows = batch(["ab", "cd", None], seen=[1, 3, 7], other=["x", "y", "z"])
    done = Datatrove(Tagger(), adds={"initial": pa.string()})(rows)
    assert done["seen"].to_pylist() == [2, 4, 7]
    assert done["initial"].to_pylist() == ["a", "c", None]
    assert done["other"].to_pylist() == ["x", "y", "z"]
    assert done["dropped_by"].to_pylist() == [None, ["Tagger.seen_too_often"], None]
    with pytest.raises(ValueError, match=r"Tagger writes initial.*adds=\{'initial'"):
        Datatrove(Tagger())(rows)


def test_the_columns_do_not_depend_on_the_rows():
    stage = Datatrove(Tagger(), adds={"initial": pa.string()})
    rows = batch(["ab"], seen=[1])
    assert stage(rows.slice(0, 0)).schema.names == stage(rows).schema.names


def test_the_same_batch_gives_the_same_text_twice():
    stage = Datatrove(PIIFormatter())
    assert stage(batch())["text"].equals(stage(batch())["text"])


def test_other_blocks_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match="JsonlReader is neither a filter nor a formatter"):
        Datatrove(JsonlReader("nowhere"))


def test_names_are_the_same_in_every_process_and_tell_settings_apart():
    code = (
        "from datatrove.pipeline.filters import *\n"
        "from datatrove.pipeline.filters import FineWebQualityFilter, LambdaFilter\n"
        "from curate.signals.datatrove import Datatrove\n"
        "print(Datatrove(FineWebQualityFilter()), Datatrove(GopherQualityFilter()))\n"
        "print(Datatrove(LambdaFilter(lambda doc: len(doc.text) > 3)))\n"
    )
    told = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in "ab"
    }
    assert len(told) == 1
    assert repr(Datatrove(GopherQualityFilter())) != repr(Datatrove(GopherQualityFilter(min_doc_words=10)))
    assert repr(Datatrove(LambdaFilter(lambda d: 1))) != repr(Datatrove(LambdaFilter(lambda d: 0)))
    assert repr(Datatrove(LambdaFilter(is_short))).startswith("Datatrove(LambdaFilter(")
    stage = Datatrove(C4QualityFilter())
    assert repr(pickle.loads(pickle.dumps(stage))) == repr(stage)


def _source(folder):
    parquet.write_table(pa.Table.from_batches([batch()]), folder / "docs.parquet")
    return open_source(str(folder / "docs.parquet"))


def test_a_run_of_datatrove_s_blocks_leaves_its_evidence(tmp_path):
    stages = (Datatrove(C4QualityFilter(filter_no_terminal_punct=False)), Datatrove(SymbolLinesFormatter()))
    tally = run(stages, _source(tmp_path), str(tmp_path / "out"))
    assert tally.broken == {"C4QualityFilter.too_few_sentences": 3, "C4QualityFilter.curly_bracket": 1}
    kept = Corpus(str(tmp_path / "out")).table(["id", "text"]).to_pylist()
    assert [row["id"] for row in kept] == ["doc-0", "doc-2"]
    assert kept[1]["text"].endswith("One more line stays here.")  # C4's rewriting stayed


def test_a_lambda_runs_on_ray(tmp_path, local_ray):
    stages = (Datatrove(LambdaFilter(lambda document: "cookies" in document.text)),)
    tally = run(stages, _source(tmp_path), str(tmp_path / "out"), ray=local_ray)
    assert (tally.rows_out, tally.broken) == (1, {"LambdaFilter": 5})
