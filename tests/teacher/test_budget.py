import pytest

from curate.teacher.budget import Budget, Spending


def test_money_is_tokens_times_the_prices_of_a_million():
    budget = Budget(money=1.0, input_price=0.5, output_price=2.0)
    assert budget.cost(1_000_000, 100_000) == pytest.approx(0.7)
    assert str(Spending(budget, 1_000_000, 100_000)) == "1,000,000 tokens in, 100,000 out, 0.7000 in money"


def test_questions_on_the_wire_count_by_their_length_and_the_answers_so_far():
    spending = Spending(Budget(tokens=1000))
    for _ in range(4):
        spending.add(90, 10, prompt_chars=180)  # two characters a token
    assert spending.allows(waiting=5, prompt_chars=1080)  # 400 + 540 + 6 * 10
    assert not spending.allows(waiting=5, prompt_chars=1082)
    assert not spending.allows(waiting=6, prompt_chars=1080)


def test_a_budget_in_money_is_used_to_the_last_answer_that_fits():
    spending = Spending(Budget(money=0.01, input_price=1.0, output_price=10.0))
    while spending.allows(waiting=0, prompt_chars=3600):
        spending.add(900, 10, prompt_chars=3600)  # 0.001 each
    assert spending.num_answers == 10


def test_before_the_first_answer_a_question_counts_its_length_and_a_usual_reply():
    assert Spending(Budget(tokens=1020)).allows(waiting=0, prompt_chars=3600)
    assert not Spending(Budget(tokens=1019)).allows(waiting=0, prompt_chars=3600)


def test_what_is_left_after_other_payments():
    left = Budget(tokens=100, money=1.0, input_price=1.0, output_price=1.0).after(60, 50)
    assert left.tokens == 0
    assert left.money == pytest.approx(1.0 - 110 / 1e6)
    assert Budget().after(10, 10) == Budget()


def test_a_budget_in_money_without_prices_is_refused():
    with pytest.raises(ValueError, match="needs the teacher's prices"):
        Budget(money=5.0)
