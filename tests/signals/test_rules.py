"""Sets of rules by name, from one's own file, and on the command line."""

import pyarrow as pa
import pytest
from pyarrow import parquet

from curate.cli import filter as filter_
from curate.corpus import Corpus
from curate.recipe import Plan, schemas
from curate.signals.language import Language
from curate.signals.rules import NAMES, RULE_SETS, SIGNALS, signals_for, stages
from curate.signals.text import TextSignals
from curate.stage import Keep, Rule

PROSE = "The tide comes in twice a day, because the moon pulls at the water of the sea. " * 12
OWN = """
from curate.signals.datatrove import Datatrove
from curate.stage import Keep, Measure, Rule

RULES = (Rule("gopher.word_count", at_least=20), Rule("score", at_least=2), Rule("pii.emails", at_most=0))
STAGES = (Keep((Rule("score", at_least=1),)),)


def shout(batch):
    from curate.document import TEXT, with_columns
    import pyarrow.compute as pc
    return with_columns(batch, {TEXT: pc.utf8_upper(batch[TEXT])})


MIXED = (shout, *STAGES)
NOTHING = ()
WRONG = ("gopher.word_count", 3)
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "my_rules.py").write_text(OWN)
    return str(tmp_path / "my_rules.py")


def batch():
    texts = [PROSE, "Few words.", f"{PROSE} Write to a@b.com now.", PROSE]
    return pa.RecordBatch.from_pydict(
        {
            "text": texts,
            "id": [f"doc-{i}" for i in range(4)],
            "url": ["http://a.org/1", "http://a.org/2", "http://a.org/3", "http://pornhub.com/4"],
            "score": [3.0, 3.0, 3.0, 1.5],
            "language": ["English"] * 4,
        }
    )


def passed(chosen, rows):
    for stage in chosen:
        rows = stage(rows)
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_every_set_runs_and_names_its_rules(name):
    rows = passed(stages(name), batch())
    assert rows.num_rows == 4
    assert repr(stages(name)) == repr(stages(name))


@pytest.mark.parametrize("name", RULE_SETS)
def test_the_signals_of_a_set_follow_from_its_columns(name):
    rows = batch()
    measured = signals_for(RULE_SETS[name])
    assert set(map(type, measured)) == set(map(type, SIGNALS[name]))
    for rule in RULE_SETS[name]:
        assert any(rule.column in signal(rows) for signal in measured), rule.column


def test_text_groups_share_one_splitting():
    assert signals_for((Rule("gopher.word_count", at_least=1), Rule("c4.sentences", at_least=1))) == (
        TextSignals(("gopher", "c4")),
    )


def test_one_s_own_rules_are_measured_and_columns_of_the_input_are_believed(own):
    chosen = stages(f"{own}:RULES")
    found = passed(chosen, batch())["dropped_by"].to_pylist()
    assert found == [None, ["gopher.word_count"], ["pii.emails"], ["score"]]


def test_one_s_own_stages_are_taken_as_they_are(own):
    assert stages(f"{own}:STAGES") == (Keep((Rule("score", at_least=1),)),)
    assert passed(stages(f"{own}:MIXED"), batch())["text"][1].as_py() == "FEW WORDS."
    assert stages("curate.signals.gopher:RULES")[-1] == Keep(RULE_SETS["gopher"][13:])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("finweb", "no set of rules is called 'finweb'; there are fineweb, gopher"),
        ("nowhere.py:RULES", "there is no nowhere.py"),
        ("no.such.module:RULES", "there is no no.such.module"),
        ("{broken}:RULES", r"broken.py is not Python, line 1: '\(' was never closed"),
        ("{hungry}:RULES", "hungry.py imports what is not there: No module named 'no_such_module'"),
        ("{own}:ROULES", "defines no ROULES"),
        ("{own}:WRONG", "a tuple of rules, or of stages"),
        ("{own}:NOTHING", "a tuple of rules, or of stages"),
    ],
)
def test_a_wrong_name_is_told(own, tmp_path, rules, message):
    (tmp_path / "broken.py").write_text("RULES = (\n")
    (tmp_path / "hungry.py").write_text("import no_such_module\n")
    with pytest.raises(ValueError, match=message):
        stages(rules.format(own=own, broken=tmp_path / "broken.py", hungry=tmp_path / "hungry.py"))


def test_the_model_that_tells_languages_can_be_chosen():
    assert stages("fineweb", lid="a/b")[0].signals[0] == Language("a/b")
    assert stages("fineweb2", lid="a/b")[0].signals == (Language("a/b"),)
    assert len(stages("fineweb2", lid="columns")) == 2
    with pytest.raises(ValueError, match="columns is for fineweb2"):
        stages("fineweb", lid="columns")


def write(folder, rows):
    parquet.write_table(pa.Table.from_batches([rows]), folder / "docs.parquet")
    return str(folder / "docs.parquet")


def test_the_command_line_filters_urls_first_and_replaces_addresses_last(tmp_path, capsys):
    source, out = write(tmp_path, batch()), str(tmp_path / "out")
    filter_(source, out=out, rules=["curate.signals.gopher:RULES"], urls="default", pii=True)
    kept = Corpus(out).table(["id", "text", "pii.emails"]).to_pylist()
    assert [row["id"] for row in kept] == ["doc-0", "doc-2"]
    assert kept[1]["text"].endswith("Write to email@example.com now.")
    assert kept[1]["pii.emails"] == 1
    dropped = {row["id"]: row for row in Corpus(f"{out}/dropped").table().to_pylist()}
    assert dropped["doc-3"]["dropped_by"][0] == "url.domains"
    assert dropped["doc-3"]["gopher.word_count"] is None  # nobody measured the text of a page that the URL dropped
    assert "url.domains" in capsys.readouterr().out


def test_several_sets_on_the_command_line(tmp_path, own):
    source, out = write(tmp_path, batch()), str(tmp_path / "out")
    filter_(source, out=out, rules=["curate.signals.gopher:RULES", f"{own}:RULES"])
    assert Corpus(out).table(["id"])["id"].to_pylist() == ["doc-0"]


def test_fineweb2_on_the_command_line_leaves_the_bounds_of_the_language(tmp_path):
    rows = batch()
    source, out = write(tmp_path, rows), str(tmp_path / "out")
    filter_(source, out=out, rules=["fineweb2"], allow_empty=True)
    dropped = Corpus(f"{out}/dropped").table(["id", "broken_rules", "dropped_by"]).to_pylist()
    short = next(row for row in dropped if row["id"] == "doc-1")
    assert "gopher.word_count" in short["dropped_by"]
    assert "50 <= gopher.word_count <= 100000" in short["broken_rules"]


def test_the_schema_is_known_before_a_run(tmp_path):
    from curate.readers import open_source

    source = open_source(write(tmp_path, batch()))
    for name in NAMES:
        assert schemas(Plan(stages(name), source, str(tmp_path / "x"), False))
