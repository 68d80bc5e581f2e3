"""What a run may cost, in tokens or in money.

    budget = Budget(money=20.0, input_price=0.15, output_price=0.60)     # prices per million tokens, as hosts list them
    ledger = Spending(budget)
    if ledger.allows(waiting=3, prompt_chars=12_000): ...        # ask: 3 on the wire, 12,000 characters with this one
    ledger.add(880, 75, prompt_chars=3500)                       # an answer came

Questions on the wire count too, so asking stops before the budget is passed and not after: their characters at the
tokens a character had in the answers so far, their replies at the mean so far. Until the first answer, a question
counts four characters a token and `TYPICAL_REPLY` tokens of reply. The total can therefore pass the budget only by as
much as the last questions differ from this forecast.
"""

from dataclasses import dataclass, replace

TYPICAL_REPLY = 120  # tokens: reasons of 80 words and a grade
CHARS_A_TOKEN = 4  # of English, with any usual tokenizer
MILLION = 1_000_000


@dataclass(frozen=True)
class Budget:
    """A limit in tokens, in money, both or neither. The currency is that of the prices."""

    tokens: int | None = None
    money: float | None = None
    input_price: float = 0.0  # per million prompt tokens
    output_price: float = 0.0  # per million completion tokens

    def __post_init__(self) -> None:
        if self.money is not None and not (self.input_price > 0 or self.output_price > 0):
            raise ValueError("a budget in money needs the teacher's prices: input_price and output_price per million")
        if any(value is not None and value < 0 for value in (self.tokens, self.money)):
            raise ValueError(f"a budget cannot be negative: {self}")

    def after(self, prompt_tokens: int, completion_tokens: int) -> "Budget":
        """Return what is left when these tokens are paid elsewhere."""
        tokens = None if self.tokens is None else max(0, self.tokens - prompt_tokens - completion_tokens)
        money = None if self.money is None else max(0.0, self.money - self.cost(prompt_tokens, completion_tokens))
        return replace(self, tokens=tokens, money=money)

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return the money that these tokens cost; 0 without prices."""
        return (prompt_tokens * self.input_price + completion_tokens * self.output_price) / MILLION


@dataclass
class Spending:
    """What was paid so far, by all runs into one folder."""

    budget: Budget
    prompt_tokens: int = 0
    completion_tokens: int = 0
    num_answers: int = 0
    tokens_seen: int = 0  # prompt tokens of answers whose prompts' characters are known
    chars_seen: int = 0

    def add(self, prompt_tokens: int, completion_tokens: int, prompt_chars: int = 0) -> None:
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.num_answers += 1
        if prompt_chars:
            self.tokens_seen, self.chars_seen = self.tokens_seen + prompt_tokens, self.chars_seen + prompt_chars

    @property
    def money(self) -> float:
        return self.budget.cost(self.prompt_tokens, self.completion_tokens)

    def allows(self, *, waiting: int, prompt_chars: int) -> bool:
        """Tell whether one more question fits while `waiting` are on the wire; `prompt_chars` of all of them."""
        prompt = prompt_chars * (self.tokens_seen / self.chars_seen if self.chars_seen else 1 / CHARS_A_TOKEN)
        reply = self.completion_tokens / self.num_answers if self.num_answers else TYPICAL_REPLY
        completion = (waiting + 1) * reply
        total = self.prompt_tokens + self.completion_tokens + prompt + completion
        money = self.money + self.budget.cost(prompt, completion)
        within_tokens = self.budget.tokens is None or total <= self.budget.tokens
        return within_tokens and (self.budget.money is None or money <= self.budget.money * (1 + 1e-9))

    def __str__(self) -> str:
        money = f", {self.money:,.4f} in money" if self.budget.input_price or self.budget.output_price else ""
        return f"{self.prompt_tokens:,} tokens in, {self.completion_tokens:,} out{money}"
