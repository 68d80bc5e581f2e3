"""What decontamination finds of benchmarks planted in real documents, what it drops of clean files, and how fast.

    python benchmarks/decontaminate.py --eval eval/ --code code/code.parquet --web web/text.parquet

Code: every solution of HumanEval and MBPP, rewritten in eleven ways (`planting.py`), each inserted once in a real
Python file in one of five places; and HumanEval's prompts alone. Text: questions of GSM8K, ARC, MMLU and others in
real pages, exact, rewrapped, restyled, with one word in twenty replaced, and without its answer and choices. An item
is found when a hit that can drop the document names it, or another item with the same text.

Clean: every file of --code, less the repositories that hold benchmarks (--dirty). Each file that would be dropped is
listed, with the place and what is there: some are true copies, and a reader must judge. The tau lines are the share
of planted and of clean documents dropped at each match rate.
"""

import argparse
import ast
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from planting import CODE_CHANGES, PLACES, TEXT_CHANGES, insert, insert_text, rewrite

from curate.decontaminate import Ast, Benchmarks, Item, Ngram, prepare
from curate.decontaminate.code import CodeIndex
from curate.decontaminate.evidence import Hit
from curate.decontaminate.syntax import load_solutions

TAUS = (0.95, 0.9, 0.85, 0.8)  # phi-1's
CODE_BENCHMARKS = ("humaneval", "mbpp")
TEXT_BENCHMARKS = ("gsm8k", "arc_", "mmlu_test", "hellaswag", "piqa", "openbook")
DIRTY = ("human-eval", "lm-evaluation-harness", "DeepSeek-Coder", "bigcode", "evalplus")
SHOWN = ("exact", "renamed (", "reformatted (")  # the changes whose missed items are listed
BATCH = 256


@dataclass(frozen=True)
class Planted:
    """One document and what stands in it."""

    text: str
    item: Item
    change: str
    place: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eval", required=True)
    parser.add_argument("--code", required=True)
    parser.add_argument("--web", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--questions", type=int, default=200, help="of each benchmark of text")
    parser.add_argument("--solutions", type=int, default=10_000, help="of each benchmark of code, at most")
    parser.add_argument("--files", type=int, default=1_000_000, help="clean ones, at most")
    parser.add_argument("--dirty", nargs="*", default=DIRTY, help="parts of names of repositories that hold benchmarks")
    parser.add_argument("--parts", nargs="*", default=("code", "text", "clean"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        benchmarks = prepare(given.eval, folder)
        code = pq.read_table(given.code, columns=["repo", "path", "language", "text"]).to_pylist()
        code = [row for row in code if not any(part in row["repo"] for part in given.dirty)]
        rng = random.Random(given.seed)
        if "code" in given.parts:
            report_code(benchmarks, code, rng, given.solutions)
        if "text" in given.parts:
            pages = pq.read_table(given.web, columns=["text"])["text"].to_pylist()
            report_text(benchmarks, pages, rng, given.questions)
        if "clean" in given.parts:
            report_clean(benchmarks, code[: given.files])


def report_code(benchmarks: Benchmarks, code: Sequence[dict[str, str]], rng: random.Random, most: int) -> None:
    items = [i for i in benchmarks.items() if i.part == "solution" and i.benchmark.startswith(CODE_BENCHMARKS)]
    by_name: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_name[item.benchmark].append(item)
    items = [item for name in sorted(by_name) for item in by_name[name][:most]]
    hosts = [row["text"] for row in code if row["language"] == "Python" and 2000 < len(row["text"]) < 20_000]
    hosts = [text for text in rng.sample(hosts, min(len(hosts), 2000)) if is_host(text)]
    planted = list(plant_code(items, hosts, rng))
    planted += list(plant_prompts(benchmarks, hosts, rng, most))
    print(f"\n{len(planted):,} files with one solution, in {len(hosts):,} real files")
    show_found(benchmarks, planted)
    common = set(load_solutions(benchmarks).common)
    counts = Counter(benchmark for benchmark, _ in common)
    print(f"\ntoo common to be found by the tree alone once all names are changed: {dict(counts)}")


def is_host(text: str) -> bool:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body)


def plant_code(items: Iterable[Item], hosts: Sequence[str], rng: random.Random) -> Iterator[Planted]:
    for change in CODE_CHANGES:
        for item in items:
            source = rewrite(change, item.text, rng)
            if source is not None:
                place = rng.choice(PLACES)
                yield Planted(insert(place, source, rng.choice(hosts), rng), item, change, place)


def plant_prompts(benchmarks: Benchmarks, hosts: Sequence[str], rng: random.Random, most: int) -> Iterator[Planted]:
    """HumanEval's prompts: a signature and a docstring, with nothing to do below."""
    found = [i for i in benchmarks.items() if i.part == "question" and i.benchmark.startswith("humaneval")]
    for item in found[:most]:
        text = f"{item.text.rstrip()}\n    pass\n"
        yield Planted(insert("function", text, rng.choice(hosts), rng), item, "prompt alone", "function")


def report_text(benchmarks: Benchmarks, pages: Sequence[str], rng: random.Random, most: int) -> None:
    pages = [page for page in pages if 1000 < len(page) < 30_000]
    planted = []
    for name in TEXT_BENCHMARKS:
        items = [i for i in benchmarks.items() if i.part == "question" and i.benchmark.startswith(name)]
        for item in rng.sample(items, min(most, len(items))):
            choices = (f"{letter}. {choice}" for letter, choice in zip("ABCDEFGHIJ", item.choices, strict=False))
            asked = " ".join([item.text, *choices])
            for change, changed in TEXT_CHANGES.items():
                text = changed(asked if item.choices else f"{item.text} {item.answer}", rng)
                planted.append(Planted(insert_text(text, rng.choice(pages), rng), item, change, ""))
            planted.append(Planted(insert_text(item.text, rng.choice(pages), rng), item, "question alone", ""))
    print(f"\n{len(planted):,} pages with one question")
    show_found(benchmarks, planted)


def show_found(benchmarks: Benchmarks, planted: Sequence[Planted]) -> None:
    methods = (Ngram(benchmarks), Ast(benchmarks))
    same = twins(benchmarks)
    found: dict[str, list[tuple[bool, ...]]] = defaultdict(list)
    missed: dict[str, list[str]] = defaultdict(list)
    rates: list[float] = []
    places: dict[str, list[bool]] = defaultdict(list)
    seconds = [0.0] * len(methods)
    for lo in range(0, len(planted), BATCH):
        part = planted[lo : lo + BATCH]
        batch = pa.RecordBatch.from_pydict({"text": [p.text for p in part]})
        hits = []
        for k, method in enumerate(methods):
            start = time.perf_counter()
            hits.append([hit for hit in method(batch) if method.counts(hit)])
            seconds[k] += time.perf_counter() - start
        for row, p in enumerate(part):
            by = tuple(any(h.row == row and is_of(h, p.item, same) for h in each) for each in hits)
            name = f"{p.change} ({p.item.benchmark})"
            found[name].append((*by, any(by)))
            if not any(by):
                missed[name].append(p.item.item)
            rates.append(max((h.share for h in hits[1] if h.row == row and is_of(h, p.item, same)), default=0.0))
            if p.place:
                places[p.place].append(any(by))
    print(f"{'':42}{'n':>6}{'n-gram':>9}{'AST':>8}{'either':>8}")
    for name, outcomes in found.items():
        shares = [sum(o[k] for o in outcomes) / len(outcomes) for k in range(3)]
        print(f"{name:42}{len(outcomes):>6}{shares[0]:>9.1%}{shares[1]:>8.1%}{shares[2]:>8.1%}")
    for name, items in missed.items():
        if name.startswith(SHOWN):
            print(f"  missed, {name}: {' '.join(items[:20])}{' ...' if len(items) > 20 else ''}")
    if places:
        print("by place:", "  ".join(f"{name} {sum(v) / len(v):.1%}" for name, v in places.items()))
        print("tau:", "  ".join(f"{tau:g} {sum(r >= tau for r in rates) / len(rates):.1%}" for tau in TAUS), "by AST")
    print(f"{len(planted) / seconds[0]:,.0f} documents/s by n-grams, {len(planted) / seconds[1]:,.0f} by AST, one core")


def twins(benchmarks: Benchmarks) -> dict[str, set[tuple[str, str]]]:
    """Return text -> the items that have it, whatever their benchmark."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for item in benchmarks.items():
        found[plain(item.text)].add((item.benchmark, item.item))
    return found


def plain(text: str) -> str:
    return " ".join(text.split()).lower()


def is_of(hit: Hit, item: Item, same: dict[str, set[tuple[str, str]]]) -> bool:
    return (hit.benchmark, hit.item) in same[plain(item.text)]


def report_clean(benchmarks: Benchmarks, code: Sequence[dict[str, str]]) -> None:
    """List every file that would be dropped, by solutions and prompts of code."""
    methods = (Ngram(benchmarks), Ast(benchmarks))
    index: CodeIndex = load_solutions(benchmarks)
    print(f"\n{len(code):,} files; against {len(index.items):,} solutions, and all questions")
    dropped: dict[int, list[Hit]] = defaultdict(list)
    by: Counter[str] = Counter()
    seconds = [0.0] * len(methods)
    for lo in range(0, len(code), BATCH):
        batch = pa.RecordBatch.from_pydict({"text": [row["text"] for row in code[lo : lo + BATCH]]})
        for k, method in enumerate(methods):
            start = time.perf_counter()
            hits = [hit for hit in method(batch) if method.counts(hit)]
            seconds[k] += time.perf_counter() - start
            by[method.name] += len({hit.row for hit in hits})
            for hit in hits:
                dropped[lo + hit.row].append(hit)
    for number in sorted(dropped):
        row, hits = code[number], sorted(dropped[number], key=lambda hit: (-hit.bits, -hit.share))
        hit = hits[0]
        line = row["text"].count("\n", 0, hit.start) + 1
        worth = f"{hit.bits:.0f} bits" if hit.method == "ast" else f"{hit.words} words"
        more = f" (+{len(hits) - 1})" if len(hits) > 1 else ""
        where = f"{row['repo']} {row['path']}:{line}"
        print(f"  {hit.method:5} {hit.share:.2f} {worth:>9} {hit.benchmark} {hit.item}{more} <- {where}")
        print(f"        {hit.excerpt[:110]}")
    print(f"dropped: {len(dropped)} ({len(dropped) / len(code):.3%}); {dict(by)}")
    rates = [max((h.share for h in hits if h.method == "ast"), default=0.0) for hits in dropped.values()]
    print("tau:", "  ".join(f"{tau:g} {sum(r >= tau for r in rates) / len(code):.3%}" for tau in TAUS), "by AST")
    print(f"{len(code) / seconds[0]:,.0f} files/s by n-grams, {len(code) / seconds[1]:,.0f} by AST, one core")


if __name__ == "__main__":
    main()
