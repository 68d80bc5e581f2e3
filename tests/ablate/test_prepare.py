"""From folders to tokens that compare."""

import json
from pathlib import Path

import pytest

from curate.ablate.design import Arm, Design
from curate.ablate.prepare import Engine, hold_out, prepare
from curate.ablate.readings import readings, warnings
from curate.corpus import Corpus
from curate.tokenizer.pack import tokenize
from curate.tokenizer.tokens import Tokens

from .conftest import TINY, sentences, write


def design(*arms: Arm, num_tokens: int = 4096) -> Design:
    return Design(arms, arms[0].name, num_tokens, TINY, 32, 256, vocab_size=320)


def prepared(made: Design, out: Path, held: dict[str, str], **how):
    sets = hold_out(made, held, f"{out}", 50)
    return prepare(made, sets, f"{out}", engine=Engine("none"), **how)


def test_held_out_documents_leave_every_arm_and_are_counted(corpora, tmp_path):
    texts = Corpus(corpora["held"]).table()["text"].to_pylist()
    leaky = write(tmp_path / "leaky", [*sentences(9, 100), *texts[:7], texts[7].upper()])
    made = design(Arm("good", {corpora["good"]: 1.0}), Arm("leaky", {leaky: 1.0}))
    found = prepared(made, tmp_path / "out", {"x": corpora["held"]})
    assert [one.held_out for one in readings(made, found)] == [0, 8]
    assert found.parts[leaky].documents == 100
    assert Corpus(tmp_path / "out/documents/leaky/clean").num_rows == 100


def test_documents_that_are_held_out_of_arms_are_in_none_of_them(corpora, tmp_path):
    made = design(Arm("a", {corpora["good"]: 1.0}), Arm("b", {corpora["more"]: 1.0}))
    found = prepared(made, tmp_path, {})
    sets = [set(found.held.texts(domain)["text"].to_pylist()) for domain in ("from-a", "from-b")]
    left = {
        text
        for path in ("good", "more")
        for text in Corpus(tmp_path / "documents" / path / "clean").table()["text"].to_pylist()
    }
    assert [len(texts) for texts in sets] == [30, 30]
    assert not left & (sets[0] | sets[1])
    assert any("drawn from the arms" in said for said in warnings(made, found))


def test_folders_of_like_names_stay_apart(corpora, tmp_path):
    """Two `a` are numbered, which is the name of a third; `held-x` is where the tokens of the held-out set x are."""
    places = [f"{tmp_path}/{name}" for name in ("x/a", "y/a", "z/a-1", "z/held-x")]
    for number, place in enumerate(places):
        write(Path(place), sentences(10 + number, 60), prefix=f"{number}")
    made = design(*(Arm(f"arm{n}", {place: 1.0}) for n, place in enumerate(places)))
    found = prepared(made, tmp_path / "out", {"x": corpora["held"]})
    for number, place in enumerate(places):
        ids = {one.id for one in Tokens(found.parts[place].tokens).documents(0, found.parts[place].num_tokens)}
        assert ids == {f"{number}-{n}" for n in range(60)}


def test_tokens_that_hold_a_held_out_document_are_refused(corpora, tmp_path):
    first = prepared(
        design(Arm("a", {corpora["good"]: 1.0}), Arm("b", {corpora["more"]: 1.0})),
        tmp_path / "first",
        {"x": corpora["held"]},
    )
    texts = Corpus(corpora["held"]).table()["text"].to_pylist()
    leaky = tokenize(
        Corpus(write(tmp_path / "leaky", [*sentences(9, 50), texts[3]])), tmp_path / "tokens", tokenizer=first.tokenizer
    )
    clean = first.parts[corpora["good"]].tokens
    made = design(Arm("a", {clean: 1.0}), Arm("b", {str(leaky.path): 1.0}))
    with pytest.raises(ValueError, match="holds 1 held-out documents, the first leaky-50; give its documents"):
        prepared(made, tmp_path / "out", {"x": corpora["held"]})
    with pytest.raises(ValueError, match="cannot be decontaminated"):
        prepared(made, tmp_path / "out", {"x": corpora["held"]}, against="benchmarks")
    with pytest.raises(ValueError, match="no document can be held out; give --held-out"):
        hold_out(made, {}, f"{tmp_path}/none", 10)


def test_tokens_of_another_tokenizer_are_refused(corpora, tmp_path):
    arms = {name: Arm(name, {corpora[name]: 1.0}) for name in ("good", "more", "noise")}
    one = prepared(design(arms["good"], arms["more"]), tmp_path / "one", {"x": corpora["held"]})
    two = prepared(design(arms["noise"], arms["more"]), tmp_path / "two", {"x": corpora["held"]})
    mixed = Arm("a", {one.parts[corpora["good"]].tokens: 1.0}), Arm("b", {two.parts[corpora["noise"]].tokens: 1.0})
    with pytest.raises(ValueError, match=r"noise was not tokenised with .*good/tokenizer; all arms need one"):
        prepared(design(*mixed), tmp_path / "out", {"x": corpora["held"]})


def test_a_folder_of_two_arms_is_tokenised_once_and_nothing_is_done_again(corpora, tmp_path):
    made = design(Arm("a", {corpora["good"]: 1.0}), Arm("mix", {corpora["good"]: 1.0, corpora["noise"]: 3.0}))
    found = prepared(made, tmp_path, {"x": corpora["held"]})
    assert sorted(path.name for path in (tmp_path / "tokens").iterdir()) == ["good", "held-x", "noise"]
    assert found.blend(made.arms[1].sources) == {f"{tmp_path}/tokens/good": 1.0, f"{tmp_path}/tokens/noise": 3.0}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.bin")}
    assert prepared(made, tmp_path, {"x": corpora["held"]}) == found
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.bin")} == before


def test_the_tokenizer_is_learned_from_as_much_of_each_arm(corpora, tmp_path):
    """A word is in as many documents of the small arm as another one of the large arm is, in a share of both."""
    small = write(tmp_path / "small", [f"{'zq ' * 20}{text}" for text in sentences(6, 20)])
    kinds = ["xj " * 20, "xj " * 20, "vk " * 20]
    large = write(tmp_path / "large", [f"{kinds[n % 3]}{text}" for n, text in enumerate(sentences(7, 2000))])
    made = design(Arm("large", {large: 1.0}), Arm("small", {small: 1.0}), num_tokens=100_000)
    found = prepared(made, tmp_path / "out", {"x": corpora["held"]})
    merges = json.loads(Path(found.tokenizer, "tokenizer.json").read_text())["model"]["merges"]
    ranks = {"".join(pair): rank for rank, pair in enumerate(merges)}
    assert ranks["zq"] < ranks["xj"] < ranks.get("vk", len(merges))  # 20 of 40 documents, some 13, some 7


def test_a_folder_far_larger_than_the_budget_is_sampled(tmp_path, corpora):
    large = write(tmp_path / "large", sentences(7, 3000))
    made = design(Arm("a", {corpora["good"]: 1.0}), Arm("large", {large: 1.0}), num_tokens=8192)
    found = prepared(made, tmp_path / "out", {"x": corpora["held"]})
    part = found.parts[large]
    assert 0.05 < part.share < 0.2
    assert part.documents == pytest.approx(part.share * 3000, rel=0.25)
    assert Tokens(part.tokens).num_tokens > 8192
    assert found.parts[corpora["good"]].share == 1.0


def test_an_arm_shorter_than_a_window_is_named(corpora, tmp_path):
    tiny = write(tmp_path / "tiny", ["light leaf"])
    made = design(Arm("good", {corpora["good"]: 1.0}), Arm("tiny", {tiny: 1.0}))
    with pytest.raises(ValueError, match=r"tiny comes to \d+ tokens in 1 documents, less than a window of 32"):
        prepared(made, tmp_path / "out", {"x": corpora["held"]})


def test_an_arm_that_is_all_held_out_is_named(corpora, tmp_path):
    made = design(Arm("good", {corpora["good"]: 1.0}), Arm("same", {corpora["held"]: 1.0}))
    with pytest.raises(ValueError, match=r"nothing is left of .*: of 40 documents 40 hold a held-out one"):
        prepared(made, tmp_path / "out", {"x": corpora["held"]})


def test_benchmarks_leave_all_arms_alike(corpora, tmp_path):
    question = "Which part of the plant turns the light of the sun into sugar and gives it to the stem and root?"
    (tmp_path / "bench").mkdir()
    rows = [{"query": question, "choices": ["the leaf of it", "the seed of it"], "gold": 0}]
    (tmp_path / "bench/quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arms = [
        write(tmp_path / name, [*sentences(seed, 60), f"{question} the leaf of it"])
        for seed, name in ((1, "a"), (2, "b"))
    ]
    made = design(Arm("a", {arms[0]: 1.0}), Arm("b", {arms[1]: 1.0}))
    found = prepared(made, tmp_path / "out", {"x": corpora["held"]}, against=f"{tmp_path}/bench")
    assert [one.benchmarks for one in readings(made, found)] == [1, 1]


def test_many_epochs_and_unlike_epochs_are_warned_about(corpora, tmp_path):
    small = write(tmp_path / "small", sentences(8, 8))
    made = design(Arm("good", {corpora["good"]: 1.0}), Arm("small", {small: 1.0}), num_tokens=8192)
    found = prepared(made, tmp_path / "out", {"x": corpora["held"]})
    good, few = readings(made, found)
    assert few.epochs == pytest.approx(8192 / Tokens(found.parts[small].tokens).num_tokens)
    assert good.epochs < 1
    said = "\n".join(warnings(made, found))
    assert f"small is read {few.epochs:.1f} times; beyond 4 epochs" in said
    assert "a larger one favours the larger arm" in said


def test_equal_arms_are_told(corpora, tmp_path):
    made = design(Arm("a", {corpora["good"]: 1.0}), Arm("b", {corpora["good"]: 1.0}))
    found = prepared(made, tmp_path, {"x": corpora["held"]})
    assert "b and a are the same folders: they train the same models" in warnings(made, found)
