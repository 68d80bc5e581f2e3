"""Every stage that ships keeps the contract: same rows, same result twice, picklable, a stable name, empty batches."""

import pickle
import subprocess
import sys

import pyarrow as pa
import pytest

from curate.classify.score import at_threshold, score_stage
from curate.code.stack import StackColumns
from curate.document import Batch
from curate.readers.html import Extract
from curate.readers.notebooks import Notebooks
from curate.readers.software_heritage import FetchContents
from curate.signals.c4 import C4Lines
from curate.signals.code import Python
from curate.signals.code_language import CodeLanguage, KeepLanguages
from curate.signals.license import License
from curate.signals.pii import ReplaceAddresses
from curate.signals.rules import FINEWEB_CHAIN, RULE_SETS, SIGNALS, stages
from curate.signals.secrets import ReplaceSecrets, Secrets
from curate.stage import Keep, Measure, Rule, Sample, Stage, stage_name

TEXTS = [
    "",
    "one",
    "Photosynthesis turns light into sugar.\n\nPlants do it in their leaves. So do algae.\n" * 20,
    "Buy now! { } lorem ipsum javascript",
    "nul \x00 inside",
    "carriage\r\nreturn\r\n",
    "مرحبا بالعالم هذه جملة",
    "def area(r):\n    return 3.14 * r * r\n",
    "x" * 200_000,
]
HTML = [f"<html><body><p>{text}</p></body></html>".encode() for text in TEXTS[:-1]] + [b"\xff\xfe<broken"]
TEXT_STAGES: list[Stage] = [
    Measure(SIGNALS["fineweb"]),
    Measure((*SIGNALS["stack"], Python())),
    *stages("fineweb2", lid="columns")[:1],
    *stages("starcoder2")[:1],
    Measure((License(),)),
    Notebooks(),
    CodeLanguage(believe=False),
    KeepLanguages(),
    StackColumns(),
    FetchContents(),
    ReplaceAddresses(),
    ReplaceAddresses(code=True),
    ReplaceSecrets(),
    Measure((Secrets(),)),
    C4Lines(),
    Sample(0.5),
    Keep((Rule("n", at_least=3),)),
]
STAGES = [*TEXT_STAGES, Extract(), Extract(extractor="trafilatura")]


def batch_for(stage: Stage) -> Batch:
    ids = [f"doc-{i}" for i in range(len(TEXTS))]
    content = {"html": pa.array(HTML, pa.binary())} if isinstance(stage, Extract) else {"text": pa.array(TEXTS)}
    languages = ["Python"] * len(TEXTS)
    numbers = list(range(len(TEXTS)))
    return pa.RecordBatch.from_pydict({**content, "id": ids, "n": numbers, "language": languages})


def rows(batch: Batch) -> list[str]:
    """Return a batch's rows as text, in which a NaN equals itself."""
    return [repr(row) for row in batch.to_pylist()]


@pytest.fixture(params=STAGES, ids=stage_name)
def stage(request: pytest.FixtureRequest) -> Stage:
    return request.param


def test_a_stage_keeps_every_row_in_order(stage: Stage) -> None:
    batch = batch_for(stage)
    assert stage(batch)["id"].to_pylist() == batch["id"].to_pylist()


def test_a_stage_gives_the_same_result_twice_and_after_pickling(stage: Stage) -> None:
    batch = batch_for(stage)
    first = rows(stage(batch))
    assert rows(stage(batch)) == first
    assert rows(pickle.loads(pickle.dumps(stage))(batch)) == first


def test_a_stage_does_not_change_its_input(stage: Stage) -> None:
    batch = batch_for(stage)
    before = batch.to_pydict()
    stage(batch)
    assert batch.to_pydict() == before


def test_rows_of_a_stage_do_not_depend_on_their_neighbours(stage: Stage) -> None:
    batch = batch_for(stage)
    apart = [rows(stage(batch.slice(row, 1)))[0] for row in range(batch.num_rows)]
    assert apart == rows(stage(batch))


def test_an_empty_batch_has_the_columns_of_a_full_one(stage: Stage) -> None:
    batch = batch_for(stage)
    full = [name for name in stage(batch).schema.names if name != "quarantined"]
    assert [name for name in stage(batch.slice(0, 0)).schema.names if name != "quarantined"] == full


def test_names_are_the_same_in_every_process() -> None:
    code = "from tests.test_stages import STAGES, stage_name; print([stage_name(stage) for stage in STAGES])"
    names = [
        subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert names == [f"{[stage_name(stage) for stage in STAGES]}\n"] * 2


def test_every_rule_says_where_its_number_is_from() -> None:
    for name, rules in RULE_SETS.items():
        for rule in rules:
            assert rule.source, f"{rule} of {name} has no source"


def test_every_rule_set_is_measured_by_its_signals() -> None:
    batch = batch_for(C4Lines())
    for name, rules in RULE_SETS.items():
        Keep(rules)(Measure(SIGNALS[name])(batch))


def test_fineweb_s_chain_passes_a_batch_through() -> None:
    batch = batch_for(C4Lines())
    for stage in FINEWEB_CHAIN:
        batch = stage(batch)
    assert batch.num_rows == len(TEXTS)


@pytest.mark.parametrize("classifier", ["web_edu", "code_edu"])
def test_a_score_keeps_the_contract_too(classifier: str) -> None:
    stage = score_stage(classifier)
    batch = batch_for(C4Lines())
    first = stage(batch)
    assert first["id"].to_pylist() == batch["id"].to_pylist()
    assert pickle.loads(pickle.dumps(stage))(batch).equals(first)
    assert repr(score_stage(classifier)) == repr(stage)
    assert stage(batch.slice(0, 0)).schema.equals(first.schema)
    assert Keep((at_threshold(0),))(first)["dropped_by"].null_count == len(TEXTS)
