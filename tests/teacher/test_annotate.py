import re
from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa
import pytest

from curate.cli import teach
from curate.corpus import Corpus, write_corpus
from curate.teacher.annotate import JOURNAL, annotate
from curate.teacher.budget import Budget
from curate.teacher.client import FakeTeacher, OpenAITeacher, Reply, fake_answer
from curate.teacher.rubric import CODE_EDU, WEB_EDU
from curate.teacher.strata import parse


@pytest.fixture
def corpus(tmp_path):
    return pages(tmp_path / "corpus", range(100))


def pages(folder, numbers):
    table = pa.table({"text": [f"Page {i}." for i in numbers], "id": [f"id{i}" for i in numbers]})
    return write_corpus(folder, table.to_batches(max_chunksize=30), shard_rows=30)


@dataclass(frozen=True)
class Recorder:
    """Answers with a function of (prompt, how often it was asked), and remembers the prompts."""

    answer: object = staticmethod(lambda prompt, time: fake_answer(prompt))
    asked: Counter = field(default_factory=Counter)
    name: str = "recorder"

    def complete(self, prompts):
        for index, prompt in enumerate(prompts):
            page = prompt.split("<extract>\n")[1].split("\n</extract>")[0]
            self.asked[page] += 1
            yield index, self.answer(prompt, self.asked[page])


def rows(out):
    return {row["id"]: row for row in Corpus(str(out)).table().to_pylist()}


def test_each_row_holds_the_grade_the_words_and_their_cost(corpus, tmp_path):
    found = annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=FakeTeacher(), n=10, chunk_rows=4)
    assert found.num_documents == 10
    assert found.outcomes == {"ok": 10}
    assert len(found.corpus.files) == 3
    for row in rows(tmp_path / "labels").values():
        reply = fake_answer(WEB_EDU.prompt(row["text"]))
        assert row["reply"] == reply.text
        assert row["int_score"] == row["score"] == WEB_EDU.parse(reply.text).score
        assert (row["prompt_tokens"], row["completion_tokens"]) == (reply.prompt_tokens, reply.completion_tokens)
        assert (row["why"], row["outcome"], row["attempts"]) == ("A made-up reason.", "ok", 1)
        assert (row["teacher"], row["rubric"], row["rubric_digest"]) == ("fake", "web_edu", WEB_EDU.digest())
    assert not (tmp_path / "labels" / JOURNAL).exists()


def test_a_larger_sample_pays_only_for_what_is_new(corpus, tmp_path):
    teacher = Recorder()
    for n in (20, 50, 20):
        annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=teacher, n=n, chunk_rows=8)
    assert teacher.asked.total() == len(teacher.asked) == 50
    assert len(rows(tmp_path / "labels")) == 50


def test_unreadable_answers_are_asked_again_then_kept_without_a_grade(corpus, tmp_path):
    broken = {"Page 1.": "no idea", "Page 2.": "Educational score: 7", "Page 3.": "Educational score: 1 or 2"}

    def answer(prompt, time):
        page = next((page for page in broken if f"\n{page}\n" in prompt), None)
        if page == "Page 3." and time == 2:  # comes to reason
            return Reply("Fine.\nEducational score: 1", 5, 5)
        return Reply(broken[page], 5, 5) if page else fake_answer(prompt)

    teacher = Recorder(answer)
    found = annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=teacher, n=100, max_attempts=3)
    assert found.outcomes == {"ok": 98, "unparsable": 1, "out_of_range": 1}
    by_id = rows(tmp_path / "labels")
    assert (by_id["id1"]["score"], by_id["id1"]["int_score"], by_id["id1"]["attempts"]) == (None, None, 3)
    assert (by_id["id2"]["score"], by_id["id2"]["reply"]) == (None, "Educational score: 7")
    assert (by_id["id3"]["score"], by_id["id3"]["attempts"], by_id["id3"]["prompt_tokens"]) == (1.0, 2, 10)


def test_a_teacher_that_never_gives_a_grade_is_a_loud_error_after_a_few_answers(corpus, tmp_path):
    teacher = Recorder(lambda prompt, time: Reply("I am only a language model.", 5, 5))
    with pytest.raises(RuntimeError, match=r"64 documents in a row got no grade.*only a language model"):
        annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=teacher, n=100)
    assert teacher.asked.total() == 64
    with pytest.raises(RuntimeError, match="not one of 5 documents got a grade"):
        annotate(corpus, str(tmp_path / "few"), rubric=WEB_EDU, teacher=teacher, n=5)


def test_many_unreadable_answers_among_good_ones_do_not_stop_the_run(tmp_path):
    source = pages(tmp_path / "corpus", range(300))
    odd = re.compile(r"\nPage \d*[13579]\.\n")
    teacher = Recorder(lambda prompt, time: Reply("No.", 5, 5) if odd.search(prompt) else fake_answer(prompt))
    found = annotate(source, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=teacher, n=300, chunk_rows=300)
    assert found.outcomes == {"ok": 150, "unparsable": 150}
    assert teacher.asked.total() == 150 + 3 * 150


def test_documents_the_server_never_answered_are_named_and_asked_by_the_next_run(corpus, tmp_path):
    down = Recorder(lambda prompt, time: Reply("", error="503") if "Page 7." in prompt else fake_answer(prompt))
    found = annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=down, n=100)
    assert found.unanswered == {"id7": "503"}
    assert found.num_documents == 99
    up = Recorder()
    found = annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=up, n=100)
    assert dict(up.asked) == {"Page 7.": 1}
    assert (found.num_documents, found.unanswered) == (100, {})


def test_a_spent_budget_stops_cleanly_and_a_larger_one_continues(corpus, tmp_path):
    teacher = Recorder(lambda prompt, time: Reply("Educational score: 2", 90, 10))
    out = str(tmp_path / "labels")
    found = annotate(corpus, out, rubric=WEB_EDU, teacher=teacher, n=100, budget=Budget(tokens=2510), chunk_rows=10)
    assert found.budget_is_spent
    assert (found.num_documents, found.prompt_tokens, found.completion_tokens) == (25, 2250, 250)
    found = annotate(corpus, out, rubric=WEB_EDU, teacher=teacher, n=100, budget=Budget(tokens=2510), chunk_rows=10)
    assert found.num_documents == 25  # the budget is of the folder, not of the run
    found = annotate(corpus, out, rubric=WEB_EDU, teacher=teacher, n=100, budget=Budget(tokens=20_000), chunk_rows=10)
    assert (found.num_documents, found.budget_is_spent) == (100, False)
    assert set(teacher.asked.values()) == {1}


def test_answers_on_the_wire_when_the_budget_ends_are_kept(corpus, tmp_path, server):
    teacher = OpenAITeacher(server.url, "m", max_in_flight=8)  # the server charges 110 tokens an answer
    found = annotate(
        corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=teacher, n=100, budget=Budget(tokens=1110)
    )
    assert found.budget_is_spent
    assert found.num_documents == server.paid.total()  # none is lost
    assert found.num_documents == 10  # and none asked that would pass the budget


def test_other_annotations_in_the_folder_are_refused(corpus, tmp_path):
    out = str(tmp_path / "labels")
    annotate(corpus, out, rubric=WEB_EDU, teacher=FakeTeacher(), n=5)
    for change in ({"rubric": CODE_EDU}, {"teacher": FakeTeacher(name="other")}, {"seed": 1}):
        with pytest.raises(ValueError, match="write to another folder"):
            annotate(corpus, out, **{"rubric": WEB_EDU, "teacher": FakeTeacher(), "n": 5, **change})


def test_a_half_written_journal_line_is_cut_off_and_the_rest_is_not_paid_again(corpus, tmp_path):
    def stumble(prompt, time):
        if "Page 42." in prompt:
            raise KeyboardInterrupt
        return fake_answer(prompt)

    first, out = Recorder(stumble), tmp_path / "labels"
    with pytest.raises(KeyboardInterrupt):
        annotate(corpus, str(out), rubric=WEB_EDU, teacher=first, n=100)
    with (out / JOURNAL).open("ab") as journal:
        journal.write(b'{"id": "id42", "reply": {"te')
    second = Recorder()
    annotate(corpus, str(out), rubric=WEB_EDU, teacher=second, n=100)
    assert second.asked["Page 42."] == 1
    del first.asked["Page 42."]
    assert not first.asked.keys() & second.asked.keys()
    assert len(rows(out)) == 100


def test_two_runs_into_one_folder_cannot_both_pay(corpus, tmp_path):
    def meddle(prompt, time):
        with pytest.raises(ValueError, match="another run is writing"):
            annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=FakeTeacher(name="recorder"), n=5)
        return fake_answer(prompt)

    annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=Recorder(meddle), n=3)


def test_another_source_into_the_same_folder_is_refused_but_the_same_one_may_move(corpus, tmp_path):
    out = str(tmp_path / "labels")
    annotate(corpus, out, rubric=WEB_EDU, teacher=FakeTeacher(), n=5)
    other = pages(tmp_path / "other", range(50))
    with pytest.raises(ValueError, match=r"other annotations \(source: there .*'rows': 100.*asked .*'rows': 50"):
        annotate(other, out, rubric=WEB_EDU, teacher=FakeTeacher(), n=5)
    assert not (tmp_path / "labels" / JOURNAL).exists()  # what was refused leaves nothing behind
    moved = pages(tmp_path / "moved", range(100))
    assert annotate(moved, out, rubric=WEB_EDU, teacher=FakeTeacher(), n=8).num_documents == 8


def test_strata_and_weights_are_in_the_rows_and_follow_a_larger_sample(tmp_path):
    texts, kinds = [f"Page {i}." for i in range(200)], ["rare" if i < 10 else "common" for i in range(200)]
    table = pa.table({"text": texts, "id": texts, "source": kinds})
    source, out = write_corpus(tmp_path / "corpus", table.to_batches()), tmp_path / "labels"
    options = {"rubric": WEB_EDU, "teacher": FakeTeacher(), "strata": parse("source"), "at_least": 4}
    for n, rare in ((20, 4), (120, 6)):
        found = annotate(source, str(out), n=n, chunk_rows=16, **options)
        drawn = Counter((row["stratum"], row["weight"]) for row in rows(out).values())
        assert drawn == {("rare", 10 / rare): rare, ("common", 190 / (n - rare)): n - rare}
        assert sum(row["weight"] for row in rows(out).values()) == pytest.approx(200)
    assert found.good_share.low < found.good_share.value < found.good_share.high
    with pytest.raises(ValueError, match="strata: there \\['source'\\], asked \\[\\]"):
        annotate(source, str(out), rubric=WEB_EDU, teacher=FakeTeacher(), n=20)


def test_the_share_of_good_pages_is_that_of_the_corpus_when_all_are_graded(corpus, tmp_path):
    found = annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=FakeTeacher(), n=100)
    good = sum(row["int_score"] >= 3 for row in rows(tmp_path / "labels").values())
    assert (found.good_share.value, found.good_share.low) == (good / 100, good / 100)


def test_a_budget_in_money_stops_before_it_is_passed_and_says_so(corpus, tmp_path):
    teacher = Recorder(lambda prompt, time: Reply("Educational score: 2", 900, 50))
    budget = Budget(money=0.0505, input_price=1.0, output_price=2.0)  # 0.001 an answer
    found = annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=teacher, n=100, budget=budget)
    assert found.num_documents == 50
    assert "the budget is spent" in str(found)
    assert "0.0500" in str(found)
    assert {row["weight"] for row in rows(tmp_path / "labels").values()} == {2.0}  # 50 stand for 100


def test_structured_answers_are_asked_for_by_schema_and_read(corpus, tmp_path):
    def answer(prompt, time):
        assert prompt.schema["properties"]["score"]["enum"] == [0, 1, 2, 3, 4, 5]
        return Reply('{"reasons": "A list.", "score": 1}', 5, 5)

    annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=Recorder(answer), n=3, structured=True)
    assert {(row["score"], row["why"]) for row in rows(tmp_path / "labels").values()} == {(1.0, "A list.")}


def test_each_question_has_a_key_of_its_own_that_a_restart_repeats(corpus, tmp_path):
    keys: list[set[str]] = []
    for folder in ("one", "two"):
        asked = set()
        teacher = Recorder(lambda prompt, time, asked=asked: asked.add(prompt.key) or Reply("What?", 5, 5))
        with pytest.raises(RuntimeError, match="not one of 5 documents got a grade"):
            annotate(corpus, str(tmp_path / folder), rubric=WEB_EDU, teacher=teacher, n=5)
        keys.append(asked)
    assert keys[0] == keys[1]
    assert len(keys[0]) == 15  # three attempts each


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "name the model at http://127.0.0.1:9/v1, one of GET http://127.0.0.1:9/v1/models"),
        ({"model": "m", "second_teacher": "local"}, "a second teacher is for --check"),
        ({"model": "m", "second_teacher": "there", "second_model": "m", "check": True}, "'there' is no address"),
    ],
)
def test_teachers_that_cannot_be_told_apart_or_asked_are_refused_before_any_is_paid(corpus, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        teach.annotate(corpus.path, out=str(tmp_path / "labels"), teacher="http://127.0.0.1:9/v1", **options)
    assert not (tmp_path / "labels").exists()


def refusing(*numbers):
    """A teacher whose server will never answer some pages."""
    refused = re.compile(rf"\nPage ({'|'.join(map(str, numbers))})\.\n")
    no = Reply("", error="400 from there: b'too long' (not asked again)", refused="400: too long")
    return Recorder(lambda prompt, time: no if refused.search(prompt) else fake_answer(prompt))


def test_a_text_that_the_server_always_refuses_is_settled_with_its_reason_and_not_asked_again(corpus, tmp_path):
    teacher, out = refusing(3, 44, 99), tmp_path / "labels"
    for _ in range(2):
        found = annotate(corpus, str(out), rubric=WEB_EDU, teacher=teacher, n=100, chunk_rows=16)
        assert (found.outcomes, found.unanswered) == ({"ok": 97, "refused": 3}, {})
        assert "3 texts the server would not answer, not asked again" in str(found)
    assert set(teacher.asked.values()) == {1}
    row = rows(out)["id44"]
    assert (row["score"], row["int_score"], row["why"]) == (None, None, "400: too long")
    assert (row["attempts"], row["prompt_tokens"]) == (0, 0)
    assert not (out / JOURNAL).exists()


def test_a_refusal_that_earlier_runs_left_open_is_settled_though_nothing_else_is_asked(corpus, tmp_path):
    out = str(tmp_path / "labels")
    down = Recorder(lambda prompt, time: Reply("", error="503") if "Page 7." in prompt else fake_answer(prompt))
    assert annotate(corpus, out, rubric=WEB_EDU, teacher=down, n=100).unanswered == {"id7": "503"}
    teacher = refusing(7)
    assert annotate(corpus, out, rubric=WEB_EDU, teacher=teacher, n=100).outcomes == {"ok": 99, "refused": 1}
    assert dict(teacher.asked) == {"Page 7.": 1}


def test_many_refused_texts_are_asked_again_and_all_of_them_an_error(corpus, tmp_path):
    out = str(tmp_path / "labels")
    found = annotate(corpus, out, rubric=WEB_EDU, teacher=refusing(*range(30)), n=100)
    assert found.outcomes["ok"] + found.outcomes.get("refused", 0) + len(found.unanswered) == 100
    assert found.unanswered
    assert annotate(corpus, out, rubric=WEB_EDU, teacher=Recorder(), n=100).unanswered == {}
    with pytest.raises(RuntimeError, match=r"not one of 20 documents got a grade; 400 from there"):
        annotate(corpus, str(tmp_path / "none"), rubric=WEB_EDU, teacher=refusing(*range(100)), n=20)


def test_a_teacher_that_begins_to_refuse_everything_settles_nothing_more(tmp_path):
    source, out = pages(tmp_path / "corpus", range(400)), str(tmp_path / "labels")
    teacher = Recorder()
    no = Reply("", error="403: the key", refused="403: the key")
    failing = Recorder(lambda prompt, time: fake_answer(prompt) if failing.asked.total() <= 300 else no)
    with pytest.raises(RuntimeError, match="64 documents in a row got no grade, asking stopped; 403: the key"):
        annotate(source, out, rubric=WEB_EDU, teacher=failing, n=400)
    found = annotate(source, out, rubric=WEB_EDU, teacher=teacher, n=400)
    assert (found.outcomes, teacher.asked.total()) == ({"ok": 400}, 100)


def test_what_was_paid_before_a_refusal_is_kept_with_it(corpus, tmp_path):
    def answer(prompt, time):
        if "\nPage 5.\n" not in prompt:
            return fake_answer(prompt)
        return Reply("What?", 70, 8) if time == 1 else Reply("", error="403", refused="403: moderated", unknown=1)

    out = tmp_path / "labels"
    found = annotate(corpus, str(out), rubric=WEB_EDU, teacher=Recorder(answer), n=100)
    assert found.outcomes == {"ok": 99, "refused": 1}
    row = rows(out)["id5"]
    told = [row[name] for name in ("why", "attempts", "prompt_tokens", "completion_tokens", "unknown_tries")]
    assert told == ["403: moderated", 1, 70, 8, 1]


def test_answers_that_end_at_the_limit_say_which_option_raises_it(corpus, tmp_path):
    teacher = Recorder(lambda prompt, time: Reply("", 5, 256, "length"))
    with pytest.raises(RuntimeError, match=r"the last answer, truncated: .*raise --max-tokens"):
        annotate(corpus, str(tmp_path / "labels"), rubric=WEB_EDU, teacher=teacher, n=5)


@pytest.mark.parametrize(
    ("second", "variable", "key"),
    [
        ("http://one.example/v2", "", "first"),
        ("http://two.example/v1", "", ""),
        ("http://one.example:81/v1", "", ""),
        ("http://two.example/v1", "THEIR_KEY", "other"),
    ],
)
def test_the_key_goes_to_the_first_teachers_host_and_a_named_one_to_the_second(monkeypatch, second, variable, key):
    monkeypatch.setenv("OPENAI_API_KEY", "first")
    monkeypatch.setenv("THEIR_KEY", "other")
    assert teach.key_of_second(second, "http://one.example/v1", variable) == key
    with pytest.raises(ValueError, match="no environment variable NO_SUCH_KEY; name the one with the key of http"):
        teach.key_of_second(second, "http://one.example/v1", "NO_SUCH_KEY")


def test_the_command_line_says_how_long_and_how_free_an_answer_may_be(corpus, tmp_path, server):
    options = {"max_tokens": 4000, "temperature": 1.0}
    teach.annotate(corpus.path, out=str(tmp_path / "labels"), teacher=server.url, model="o3", n=3, **options)
    assert (server.question["max_tokens"], server.question["temperature"]) == (4000, 1.0)
    with pytest.raises(ValueError, match=r"max_tokens=4000\), asked .*max_tokens=256\).*another folder"):
        teach.annotate(corpus.path, out=str(tmp_path / "labels"), teacher=server.url, model="o3", n=3, temperature=1.0)
