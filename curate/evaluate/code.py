"""HumanEval and MBPP: a model writes a function, tests decide in a sandbox, pass@k says how often it succeeds.

    problems = [humaneval(row) for row in rows]
    Program.. = [problem.program(text) for text in samples]          # run by curate.evaluate.sandbox

HumanEval (Chen et al. 2021, arXiv 2107.03374): the prompt is a signature and docstring, and the model goes on. MBPP
(Austin et al. 2021, arXiv 2108.07732): the task and its tests are shown after three solved examples, numbers 2 to 4 of
the file; problems 11 to 510 are its test split. Both stop where lm-evaluation-harness stops them: HumanEval after 1,024
new tokens, MBPP after 256.

pass@k is the unbiased estimate 1 - C(n-c, k) / C(n, k) of Chen et al., eq. 1, averaged over problems; state n and the
temperature with it. n = 20 at T = 0.2 and top-p 0.95 is SmolLM's and Stack-Edu's; lm-evaluation-harness' plain
`humaneval` is greedy with n = 1. Both are given here, and they differ.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curate.evaluate.estimate import Estimate, mean
from curate.evaluate.generate import Decoding
from curate.evaluate.sandbox import Program

GREEDY = Decoding()
SAMPLED = Decoding(temperature=0.2, top_p=0.95, num_samples=20)  # HumanEvalPack, arXiv 2308.07124
HUMANEVAL_STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")  # Chen et al. 2021, section 2.1; the harness
MBPP_STOP = ("[DONE]",)
HUMANEVAL_TOKENS, MBPP_TOKENS = 1024, 256  # in lm-evaluation-harness 0.4.13: `humaneval`'s, and its default
MBPP_SHOTS, MBPP_TEST = (2, 3, 4), range(11, 511)  # task_id; Austin et al. 2021, section 2.1
KS = (1, 10)


@dataclass(frozen=True)
class Problem:
    name: str
    prompt: str
    before: str  # what of the prompt belongs to the program
    tests: str
    entry_point: str
    solution: str  # the canonical one, after `before`
    stop: tuple[str, ...]
    max_new_tokens: int

    def program(self, text: str) -> Program:
        """Return the program that a completion makes."""
        return Program(self.before + text, self.tests, self.entry_point, helpers=self.before)


def humaneval(row: Mapping[str, Any]) -> Problem:
    prompt, solution = row["prompt"], row["canonical_solution"]
    how = (HUMANEVAL_STOP, HUMANEVAL_TOKENS)
    return Problem(row["task_id"], prompt, prompt, row["test"], row["entry_point"], solution, *how)


def mbpp(rows: Sequence[Mapping[str, Any]], numbers: Sequence[int] = MBPP_TEST) -> list[Problem]:
    """Return the problems with these `task_id`; the file holds the three examples too."""
    by_number = {int(row["task_id"]): row for row in rows}
    missing = [number for number in MBPP_SHOTS if number not in by_number]
    if missing:
        raise ValueError(
            f"MBPP's examples for the prompt, task_id {missing}, are not in the file; give the whole data set"
        )
    shots = "".join(f"{_asked(by_number[n])}{by_number[n]['code']}\n[DONE]\n\n" for n in MBPP_SHOTS)
    return [_mbpp_problem(by_number[number], shots) for number in numbers if number in by_number]


def _mbpp_problem(row: Mapping[str, Any], shots: str) -> Problem:
    tests = "\n".join([row.get("test_setup_code") or "", *row["test_list"]])
    name, prompt = f"MBPP/{row['task_id']}", shots + _asked(row)
    return Problem(name, prompt, "", tests, "", row["code"], MBPP_STOP, MBPP_TOKENS)


def _asked(row: Mapping[str, Any]) -> str:
    tests = "\n".join(row["test_list"][:3])
    return (
        f"You are an expert Python programmer, and here is your task: {row['text']} "
        f"Your code should pass these tests:\n\n{tests}\n[BEGIN]\n"
    )


def pass_at_k(num_samples: int, num_passed: int, k: int) -> float:
    """Return the chance that of k samples drawn without replacement at least one passes; exact integers."""
    if not 0 <= num_passed <= num_samples or not 1 <= k <= num_samples:
        raise ValueError(f"pass@{k} needs at least {k} samples, and {num_passed} of {num_samples} passed")
    return 1 - math.comb(num_samples - num_passed, k) / math.comb(num_samples, k)


def pass_rates(passed: Sequence[Sequence[bool]]) -> dict[str, Estimate]:
    """Return pass@1 and pass@10 over problems, as far as every problem has that many samples."""
    fewest = min(map(len, passed))
    return {f"pass@{k}": mean(pass_at_k(len(p), sum(p), k) for p in passed) for k in KS if k <= fewest}
