"""All of HumanEval and MBPP through the sandbox: canonical solutions pass, empty completions do not, and at what speed.

python benchmarks/sandbox.py EVAL_FOLDER [--workers 2]
"""

import argparse
import time

from curate.evaluate.code import Problem, humaneval, mbpp
from curate.evaluate.sandbox import Sandbox
from curate.evaluate.tasks import HUMANEVAL, MBPP


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="with humaneval_openai.jsonl and mbpp.jsonl")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    rows = MBPP.rows(chosen.folder)
    suites = {
        "HumanEval": [humaneval(row) for row in HUMANEVAL.rows(chosen.folder)],
        "MBPP, all": mbpp(rows, [int(row["task_id"]) for row in rows]),
    }
    print("| suite | solutions pass | empty ones pass | programs a second |\n|---|---:|---:|---:|")
    with Sandbox() as sandbox:
        for name, problems in suites.items():
            started = time.perf_counter()
            solved, empty = (count(sandbox, problems, text, chosen.workers) for text in ("solution", ""))
            speed = 2 * len(problems) / (time.perf_counter() - started)
            print(f"| {name} | {solved} of {len(problems)} | {empty} | {speed:.1f} |", flush=True)


def count(sandbox: Sandbox, problems: list[Problem], text: str, workers: int) -> int:
    programs = [problem.program(problem.solution if text else "") for problem in problems]
    return sum(outcome.passed for outcome in sandbox.run_all(programs, workers=workers))


if __name__ == "__main__":
    main()
