import asyncio
import pickle
import time
from collections import Counter

import pytest

from curate.teacher.client import FakeTeacher, OpenAITeacher, Prompt, retry_after_s
from curate.teacher.rubric import WEB_EDU


def ask(teacher, prompts):
    """Replies in the order of the prompts."""
    replies = dict(teacher.complete(prompts))
    return [replies[index] for index in range(len(prompts))]


def test_every_prompt_gets_its_own_reply_with_its_cost(server):
    prompts = [f"page {i}" for i in range(40)]
    replies = ask(OpenAITeacher(server.url, "m", max_in_flight=8), prompts)
    assert all(WEB_EDU.parse(reply.text).outcome == "ok" for reply in replies)
    assert {(reply.prompt_tokens, reply.completion_tokens) for reply in replies} == {(100, 10)}
    assert server.paid == Counter(prompts)
    again = ask(OpenAITeacher(server.url, "m", max_in_flight=3), prompts)
    assert again == replies  # neither order nor number in flight moves a reply to another prompt


def test_the_request_is_a_seeded_chat_completion(server):
    ask(OpenAITeacher(server.url, "small", api_key="sk-1", temperature=0.7, seed=5, max_tokens=99), ["hello"])
    assert server.headers["Authorization"] == "Bearer sk-1"
    messages = [{"role": "user", "content": "hello"}]
    sampling = {"temperature": 0.7, "seed": 5, "max_tokens": 99}
    assert server.question == {"model": "small", "messages": messages, **sampling}


def test_requests_go_out_together_but_never_more_than_asked_for(server):
    server.delay_s = 0.05
    ask(OpenAITeacher(server.url, "m", max_in_flight=6), [f"page {i}" for i in range(24)])
    assert 2 <= server.most_in_flight <= 6


def test_prompts_are_taken_only_as_they_are_sent(server):
    taken = []

    def prompts():
        for i in range(20):
            taken.append(i)
            yield f"page {i}"

    replies = OpenAITeacher(server.url, "m", max_in_flight=4).complete(prompts())
    next(replies)
    assert len(taken) == 4
    replies.close()


def test_a_server_that_fails_a_third_of_the_time_loses_no_prompt(server):
    server.faults = ("", "", "", "", "", "", "", "", "429", "500", "garbage", "hang")
    prompts = [f"page {i}" for i in range(60)]
    teacher = OpenAITeacher(server.url, "m", max_in_flight=16, timeout_s=0.4, max_retries=12, backoff_s=0.001)
    replies = ask(teacher, prompts)
    assert [reply.error for reply in replies] == [None] * 60
    assert server.paid == Counter(prompts)
    assert server.tries.total() > 60


def test_a_prompt_that_is_never_answered_comes_back_with_the_reason(server):
    server.faults = ("503",)
    [reply] = ask(OpenAITeacher(server.url, "m", max_retries=2, backoff_s=0.001), ["page"])
    assert reply.error.startswith("no answer in 3 attempts; the last: 503 from http://127.0.0.1")
    assert server.tries["page"] == 3


def test_a_refused_prompt_is_not_asked_again(server):
    server.faults = ("400",)
    [reply] = ask(OpenAITeacher(server.url, "m", backoff_s=0.001), ["a page too long for the model"])
    assert "400" in reply.error
    assert server.tries.total() == 1


def test_a_server_that_is_not_there_is_named(server):
    server.http.server_close()
    [reply] = ask(OpenAITeacher(server.url, "m", max_retries=1, backoff_s=0.001), ["page"])
    assert "ClientConnectorError" in reply.error
    assert server.url in reply.error


@pytest.mark.parametrize(("fault", "advice"), [("401", "check api_key"), ("404", "base_url usually ends in /v1")])
def test_a_fault_of_every_question_raises_with_the_address_and_the_cure(server, fault, advice):
    server.faults = (fault,)
    with pytest.raises(ValueError, match=advice) as raised:
        ask(OpenAITeacher(server.url, "m", api_key="sk-secret"), ["page"] * 3)
    assert f"{server.url}/chat/completions" in str(raised.value)
    assert "sk-secret" not in str(raised.value)


def test_a_text_that_a_moderator_refuses_does_not_end_the_questions_about_others(server):
    server.faults = ("403", "", "")
    replies = ask(OpenAITeacher(server.url, "m"), [f"page {i}" for i in range(12)])
    refused = [reply.error for reply in replies if reply.error]
    assert 0 < len(refused) < 12
    assert all("403 from" in error and "check api_key and model" in error for error in refused)
    assert max(server.tries.values()) == 1


def test_the_key_stays_out_of_the_repr_and_the_name_but_travels_to_workers():
    teacher = OpenAITeacher("http://localhost/v1", "m", api_key="sk-secret")
    assert "sk-secret" not in repr(teacher) + teacher.name
    assert pickle.loads(pickle.dumps(teacher)).api_key == "sk-secret"


def test_the_fake_teacher_gives_the_same_readable_grades_every_time():
    prompts = [f"page {i}" for i in range(50)]
    replies = ask(FakeTeacher(), prompts)
    assert replies == ask(FakeTeacher(), prompts)
    assert {WEB_EDU.parse(reply.text).score for reply in replies} == {0, 1, 2, 3, 4, 5}


def test_answers_that_may_have_been_billed_and_lost_are_counted(server):
    server.faults = ("hang", "", "")  # the connection breaks after the question was sent
    teacher = OpenAITeacher(server.url, "m", max_retries=12, backoff_s=0.001, timeout_s=0.3)
    prompts = [f"page {i}" for i in range(12)]
    replies = ask(teacher, prompts)
    assert sum(reply.unknown for reply in replies) >= server.tries.total() - 12 > 0
    server.faults = ("500", "", "")  # the server says that it did not answer
    patient = OpenAITeacher(server.url, "m", max_retries=12, backoff_s=0.001)
    assert all(reply.unknown == 0 for reply in ask(patient, [f"other {i}" for i in range(12)]))


def test_a_key_and_a_schema_travel_with_their_prompt(server):
    ask(OpenAITeacher(server.url, "m"), [Prompt("hello", key="k1", schema=WEB_EDU.schema())])
    assert server.headers["Idempotency-Key"] == "k1"
    assert server.question["response_format"]["json_schema"]["schema"]["required"] == ["reasons", "score"]
    assert server.question["messages"] == [{"role": "user", "content": "hello"}]


def test_a_rate_limit_holds_requests_apart(server):
    teacher = OpenAITeacher(server.url, "m", requests_per_minute=1200)
    begun = time.monotonic()
    ask(teacher, [f"page {i}" for i in range(9)])
    assert time.monotonic() - begun >= 8 * 0.05  # nine starts, 50 ms apart: never sooner, on any machine


def test_a_wait_that_is_longer_than_allowed_ends_the_question(server):
    server.faults = ("429",)  # Retry-After: 0.01
    [reply] = ask(OpenAITeacher(server.url, "m", max_wait_s=0.001), ["page"])
    assert "asks to wait" in reply.error
    assert server.tries.total() == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_how_long_a_server_asks_to_wait(headers, seconds):
    assert retry_after_s(headers) == seconds


def test_it_works_inside_a_running_event_loop_as_in_a_notebook(server):
    async def cell():
        return ask(OpenAITeacher(server.url, "m"), ["page"])

    assert asyncio.run(cell())[0].error is None


@pytest.mark.parametrize("url", ["127.0.0.1:8000/v1", "localhost:8000/v1", "llama-3.3-70b", ""])
def test_what_is_no_address_is_refused_before_a_question_is_counted_as_sent(url):
    with pytest.raises(ValueError, match="is no address of a server; give one such as http://"):
        OpenAITeacher(url, "m")


def test_no_request_at_a_time_is_refused_and_not_a_run_that_asks_nothing():
    with pytest.raises(ValueError, match="max_in_flight=0 lets no request through"):
        OpenAITeacher("http://localhost/v1", "m", max_in_flight=0)


def test_a_model_that_wants_max_completion_tokens_gets_it_from_then_on(server):
    server.newer = True
    prompts = [f"page {i}" for i in range(12)]
    teacher = OpenAITeacher(server.url, "o3", max_in_flight=1, max_tokens=4000, max_retries=0)
    assert [reply.error for reply in ask(teacher, prompts)] == [None] * 12
    assert server.tries.total() == 13
    assert server.question["max_completion_tokens"] == 4000
    assert "max_tokens" not in server.question
    assert "max_tokens=4000" in teacher.name


@pytest.mark.parametrize(("fault", "is_refused"), [("400", True), ("403", True), ("422", True), ("402", False)])
def test_what_a_server_says_of_one_text_is_told_apart_from_what_it_says_of_the_account(server, fault, is_refused):
    server.faults = (fault,)
    [reply] = ask(OpenAITeacher(server.url, "m"), ["page"])
    assert reply.refused == (f"{fault}: not now" if is_refused else "")
    assert server.url in reply.error
    assert server.url not in reply.refused  # it is kept in the labels
