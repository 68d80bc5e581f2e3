from pathlib import Path

import pyarrow as pa
import pytest

from curate import ledger
from curate.corpus import Corpus, write_corpus
from curate.document import Batch, with_columns
from curate.ledger.replay import replay
from curate.run import run
from curate.signals import c4
from curate.signals.by_language import KeepByLanguage
from curate.signals.rules import FINEWEB_CHAIN, stages
from curate.stage import Keep, Measure, Rule, Stage

LOW = Rule("score", at_least=1)


def decided(corpus: str) -> dict[str, list[str]]:
    """Return id -> the rules that dropped it, none for what is kept."""
    kept = {i: [] for i in Corpus(corpus).table(["id"])["id"].to_pylist()}
    try:
        left = Corpus(f"{corpus}/dropped").table(["id", "dropped_by"]).to_pylist()
    except FileNotFoundError:
        return kept
    return kept | {row["id"]: row["dropped_by"] for row in left}


def texts(corpus: str) -> dict[str, str]:
    return {row["id"]: row["text"] for row in Corpus(corpus).table(["id", "text"]).to_pylist()}


def shouting(batch: Batch) -> Batch:
    return with_columns(batch, {"text": pa.array([f"{t}!" for t in batch["text"].to_pylist()], batch["text"].type)})


def length(batch: Batch) -> dict[str, pa.Array]:
    return {"t.chars": pa.array([len(text) for text in batch["text"].to_pylist()], pa.int64())}


def tongue(batch: Batch) -> dict[str, pa.Array]:
    return {"t.language": pa.array(["en"] * batch.num_rows, pa.string())}


def late(batch: Batch) -> dict[str, pa.Array]:
    return {"t.late": pa.array([1] * batch.num_rows, pa.int64())}


def test_another_cut_decides_as_a_new_run_would(finished: str, tmp_path: Path) -> None:
    done = replay(finished, f"{tmp_path}/other", cut=LOW)
    # of the copies and low scores: 1, 11, 21, 31 stay now; 10 and 30 have a score of 0
    assert (done.kept_before, done.tally.rows_out) == (19, 23)
    assert done.tally.rows_in == 39  # the record in quarantine is not decided again
    found = decided(f"{tmp_path}/other")
    assert found["doc-011"] == []
    assert found["doc-010"] == ["score"]
    assert found["doc-017"] == ["dedup.near"]
    assert found["doc-004"] == ["t.chars"]
    assert "text" not in Corpus(f"{tmp_path}/other").schema.names


def test_what_is_not_changed_stays_as_it_was(finished: str, tmp_path: Path) -> None:
    done = replay(finished, f"{tmp_path}/same")
    assert done.tally.rows_out == done.kept_before == 19
    assert {event.decision for event in ledger.why("doc-013", f"{tmp_path}/same")} == {"kept"}
    assert "unmeasured" not in str(done.tally.broken)


def test_what_left_too_early_to_be_measured_is_counted_and_not_kept(finished: str, tmp_path: Path) -> None:
    done = replay(finished, f"{tmp_path}/out", without=["t.chars"])
    assert done.unmeasured == {"score": 10}
    assert done.tally.rows_out == 19
    assert "10 documents pass every rule that is known of them and have never been measured for score" in str(done)
    assert decided(f"{tmp_path}/out")["doc-004"] == ["unmeasured.score"]


def test_documents_that_never_met_their_copies_are_counted(finished: str, tmp_path: Path) -> None:
    done = replay(finished, f"{tmp_path}/out", without=["t.chars", "score"])
    assert done.tally.rows_out == 35  # all but four copies and the one in quarantine
    (stage,) = done.not_asked
    assert stage.endswith("copies")
    assert done.not_asked[stage] == 10
    assert "10 of the kept have never passed" in str(done)


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ([Rule("t.chars", at_least=11)], 0),  # "Buy now 12" has ten characters,
        ([Rule("t.chars", at_least=10)], 7),  # "Buy now 0", 4 and 8 have nine
        ([Rule("t.chars", at_least=9)], 10),
        ([Rule("t.chars", at_most=9)], -29),  # the lower bound, 100, stays
        ([Rule("t.digit", at_least=5)], -14),  # a further rule
    ],
)
def test_a_bound_replaces_a_number_of_a_rule(finished: str, tmp_path: Path, bounds: list[Rule], kept: int) -> None:
    done = replay(f"{finished}/1-clean", f"{tmp_path}/out", bounds=bounds, allow_empty=True)
    assert done.tally.rows_out == 29 + kept


def test_a_column_that_was_never_measured_is_an_error(finished: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"c4\.lorem_ipsum.* was never measured in .*; measure it first"):
        replay(finished, f"{tmp_path}/out", keep=(Keep(c4.RULES),))
    assert not (tmp_path / "out").exists()


def test_a_replay_goes_on_and_refuses_other_rules(finished: str, tmp_path: Path) -> None:
    replay(finished, f"{tmp_path}/out", cut=LOW)
    (tmp_path / "out/kept/00001.parquet").unlink()
    assert replay(finished, f"{tmp_path}/out", cut=LOW).tally.rows_out == 23
    with pytest.raises(ValueError, match="made by other stages"):
        replay(finished, f"{tmp_path}/out")


def test_a_replay_is_not_replayed(finished: str, tmp_path: Path) -> None:
    replay(finished, f"{tmp_path}/out", cut=LOW)
    with pytest.raises(ValueError, match="is itself a replay"):
        replay(f"{tmp_path}/out", f"{tmp_path}/again")


def test_corpora_that_do_not_read_each_other_are_refused(finished: str, tmp_path: Path) -> None:
    run((Keep((Rule("t.digit", at_least=5),)),), Corpus(f"{finished}/1-clean"), f"{finished}/3-other")
    with pytest.raises(ValueError, match="they are not one chain"):
        replay(finished, f"{tmp_path}/out")


def test_texts_of_newly_kept_documents_come_from_what_the_run_kept(
    finished: str, source: Corpus, tmp_path: Path
) -> None:
    replay(f"{finished}/1-clean", f"{tmp_path}/out", without=["t.chars"], with_text=True)
    whole = texts(source.path)
    whole.pop("doc-039")
    assert texts(f"{tmp_path}/out") == whole


def test_texts_that_were_not_kept_come_from_the_input_by_id(source: Corpus, tmp_path: Path) -> None:
    run((Measure((length,)), Keep((Rule("t.chars", at_least=100),))), source, f"{tmp_path}/run")
    with pytest.raises(RuntimeError, match=r"holds no text for 3 newly kept documents; say where the run's input is"):
        replay(f"{tmp_path}/run", f"{tmp_path}/no", without=["t.chars"], with_text=True)
    replay(f"{tmp_path}/run", f"{tmp_path}/out", without=["t.chars"], with_text=True, texts=source)
    assert texts(f"{tmp_path}/out") == texts(source.path)


def test_texts_from_another_input_are_another_replay(source: Corpus, tmp_path: Path, pages: pa.Table) -> None:
    run((Measure((length,)), Keep((Rule("t.chars", at_least=100),))), source, f"{tmp_path}/run")
    others = write_corpus(tmp_path / "others", [pages.slice(0, 1).to_batches()[0]], shard_rows=10)
    how = {"without": ["t.chars"], "with_text": True}
    assert replay(f"{tmp_path}/run", f"{tmp_path}/out", texts=others, **how).unmeasured == {"text": 9}
    with pytest.raises(ValueError, match="made by other stages"):
        replay(f"{tmp_path}/run", f"{tmp_path}/out", texts=source, **how)
    assert replay(f"{tmp_path}/run", f"{tmp_path}/right", texts=source, **how).unmeasured == {}


def test_a_text_that_was_to_be_rewritten_is_not_taken_from_the_input(source: Corpus, tmp_path: Path) -> None:
    rule = Keep((Rule("t.chars", at_least=100),))
    run((Measure((length,)), rule, shouting), source, f"{tmp_path}/run")
    done = replay(f"{tmp_path}/run", f"{tmp_path}/out", without=["t.chars"], with_text=True, texts=source)
    assert done.unmeasured == {"text": 10}
    assert replay(f"{tmp_path}/run", f"{tmp_path}/ids", without=["t.chars"]).tally.rows_out == 40
    run((shouting, Measure((length,)), rule), source, f"{tmp_path}/before", keep_text=True)
    replay(f"{tmp_path}/before", f"{tmp_path}/kept", without=["t.chars"], with_text=True)
    assert texts(f"{tmp_path}/kept") == {i: f"{t}!" for i, t in texts(source.path).items()}


def test_a_later_step_of_the_same_run_counts_as_unmeasured_too(source: Corpus, tmp_path: Path) -> None:
    first, second = Keep((Rule("t.chars", at_least=100),)), Keep((Rule("t.late", at_least=1),))
    run((Measure((length,)), first, Measure((late,)), second), source, f"{tmp_path}/run")
    done = replay(f"{tmp_path}/run", f"{tmp_path}/out", without=["t.chars"])
    assert done.unmeasured == {"t.late": 10}


def test_a_stage_that_drops_what_it_does_not_know_is_not_asked_about_the_unmeasured(
    source: Corpus, tmp_path: Path
) -> None:
    run((Measure((length,)), Keep((Rule("t.chars", at_least=100),)), Measure((tongue,))), source, f"{tmp_path}/run")
    keep = KeepByLanguage("test", {"en": (Rule("t.chars", at_most=1297),)}, column="t.language")
    done = replay(f"{tmp_path}/run", f"{tmp_path}/out", keep=(keep,))
    assert done.unmeasured == {"t.language": 10}
    # "Page 1. " and 30 sentences have 8 + 30 * 43 - 1 = 1,297 characters with one digit, and one more with two
    assert done.tally.rows_out == 7
    assert done.tally.broken["t.chars"] == 23


def test_a_replay_on_a_cluster_is_the_same(finished: str, tmp_path: Path, local_ray: str) -> None:
    replay(finished, f"{tmp_path}/here", cut=LOW)
    replay(finished, f"{tmp_path}/there", cut=LOW, ray=local_ray)
    for name in ("kept/00001", "dropped/left.1-clean/00002"):
        here, there = (tmp_path / side / f"{name}.parquet" for side in ("here", "there"))
        assert here.read_bytes() == there.read_bytes()


@pytest.fixture(scope="module")
def web(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Every twelfth real document."""
    table = Corpus(shared_data / "web/text.parquet").table()
    some = table.take(list(range(0, table.num_rows, 12)))
    return write_corpus(tmp_path_factory.mktemp("web"), some.to_batches(max_chunksize=100), shard_rows=300)


def anew(name: str, source: Corpus, out: str) -> dict[str, list[str]]:
    run(stages(name), source, out)
    return decided(out)


@pytest.mark.parametrize("rules", ["c4", "gopher"])
def test_on_real_documents_other_rules_decide_as_a_new_run_does(web: Corpus, tmp_path: Path, rules: str) -> None:
    run(stages("fineweb"), web, f"{tmp_path}/fineweb")
    keep = [stage for stage in stages(rules) if not isinstance(stage, Measure)]
    done = replay(f"{tmp_path}/fineweb", f"{tmp_path}/replayed", keep=keep)
    expected = anew(rules, web, f"{tmp_path}/anew")
    assert decided(f"{tmp_path}/replayed") == expected
    assert 0 < done.tally.rows_out == sum(not rules for rules in expected.values()) < len(expected)


def test_on_real_documents_what_is_known_of_a_chain_is_decided_as_a_new_run_does(web: Corpus, tmp_path: Path) -> None:
    run(FINEWEB_CHAIN, web, f"{tmp_path}/chain")
    done = replay(f"{tmp_path}/chain", f"{tmp_path}/replayed", without=["c4.curly_bracket"])
    run(tuple(map(without_curly, FINEWEB_CHAIN)), web, f"{tmp_path}/anew")
    expected, found = decided(f"{tmp_path}/anew"), decided(f"{tmp_path}/replayed")
    unknown = {i for i, marks in found.items() if marks and marks[0].startswith("unmeasured.")}
    assert {i: marks for i, marks in found.items() if i not in unknown} == {
        i: marks for i, marks in expected.items() if i not in unknown
    }
    assert len(unknown) == done.unmeasured["fineweb.short_lines"] > 0
    assert all("c4.curly_bracket" in ledger.why(i, f"{tmp_path}/chain")[0].row["dropped_by"] for i in unknown)


def without_curly(stage: Stage) -> Stage:
    if not isinstance(stage, Keep):
        return stage
    return Keep(tuple(rule for rule in stage.rules if rule.column != "c4.curly_bracket"))
