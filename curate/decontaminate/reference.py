"""What ordinary code looks like: how often a label follows another, and which small functions are everybody's.

    reference = load_reference()
    reference.surprise("if", "<", "return")      # bits
    reference.idioms                             # functions that occur at least twice, names aside

Counted in the standard library and in installed packages by

    python -m curate.decontaminate.reference /usr/lib/python3.11 site-packages/networkx ...

and shipped as counts of labels in `reference.json.gz`; there is no text in it. Rare labels (a call of one project's
method) stay out: they get what is left over. Ours: CPython 3.11's library and sympy, mpmath, networkx, scipy, sklearn,
numpy, pandas, torch, nltk, jinja2, werkzeug, flask, requests, rich, hypothesis, botocore, moto, pip, setuptools, numba,
spacy, joblib and aiohttp, with their tests: 14,416 files, 304,189 functions, 17 million nodes.
"""

import gzip
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from curate.decontaminate.trees import Forest, grow, parse

OUTSIDE = FIRST = "^"  # parent of a root; left sibling of a first child
MIN_COUNT = 40  # of a label or a name in its context; rarer ones are left to backing off
MIN_IDIOM, MAX_IDIOM = 5, 40  # nodes of an idiom: smaller ones weigh nothing anyway, larger ones hardly repeat
_FILE = Path(__file__).with_name("reference.json.gz")


@dataclass(frozen=True)
class Reference:
    """Counts in ordinary code."""

    nodes: int
    functions: int
    identifiers: int
    alone: dict[str, int]  # label -> count
    below: dict[str, dict[str, int]]  # parent -> label -> count
    after: dict[str, dict[str, int]]  # parent TAB left sibling -> label -> count
    names: dict[str, int]  # identifier -> count
    idioms: list[tuple[int, list[str], list[int]]]  # how often; labels and subtree sizes in preorder
    spelt: list[dict[str, int]]  # identifier -> in how many of an idiom's functions it is

    def surprise(self, parent: str, sibling: str, label: str) -> float:
        """Return -log2 P(label | parent, left sibling), each level backed off to the next (Witten & Bell 1991)."""
        kinds = len(self.alone)
        share = (self.alone.get(label, 0) + 0.5) / (self.nodes + 0.5 * kinds)
        share = _backed_off(self.below.get(parent, {}), label, share)
        share = _backed_off(self.after.get(f"{parent}\t{sibling}", {}), label, share)
        return -math.log2(share)

    def spelling(self, name: str) -> float:
        """Return -log2 of an identifier's share of all identifiers."""
        return -math.log2((self.names.get(name, 0) + 0.5) / self.identifiers)


def _backed_off(counts: dict[str, int], label: str, share: float) -> float:
    if not counts:
        return share
    return (counts.get(label, 0) + len(counts) * share) / (sum(counts.values()) + len(counts))


def contexts(labels: Sequence[str], sizes: Sequence[int]) -> Iterator[tuple[str, str, str]]:
    """Yield (parent, left sibling, label) for each node of a forest in preorder."""
    around: list[list[str]] = []  # [label, last child seen] of each open node
    ends: list[int] = []
    for place, label in enumerate(labels):
        while ends and ends[-1] <= place:
            ends.pop()
            around.pop()
        if around:
            yield around[-1][0], around[-1][1], label
            around[-1][1] = label
        else:
            yield OUTSIDE, FIRST, label
        around.append([label, FIRST])
        ends.append(place + sizes[place])


def count(forests: Iterable[Forest]) -> Reference:
    """Count a reference in forests of ordinary code."""
    alone: Counter[str] = Counter()
    below: dict[str, Counter[str]] = {}
    after: dict[str, Counter[str]] = {}
    names: Counter[str] = Counter()
    idioms: Counter[tuple[tuple[str, ...], tuple[int, ...]]] = Counter()
    spelt: dict[tuple[tuple[str, ...], tuple[int, ...]], Counter[str]] = {}
    functions = 0
    for forest in forests:
        for parent, sibling, label in contexts(forest.labels, forest.sizes):
            alone[label] += 1
            below.setdefault(parent, Counter())[label] += 1
            after.setdefault(f"{parent}\t{sibling}", Counter())[label] += 1
        names.update(name for name in forest.names if name is not None)
        for tree in forest.trees:
            functions += bool(tree.name)
            if tree.name and MIN_IDIOM <= tree.stop - tree.start <= MAX_IDIOM:
                own = slice(tree.start, tree.stop)
                idiom = tuple(forest.labels[own]), tuple(forest.sizes[own])
                idioms[idiom] += 1
                spelt.setdefault(idiom, Counter()).update({name for name in forest.names[own] if name is not None})
    repeated = sorted(idiom for idiom, times in idioms.items() if times > 1)
    return Reference(
        alone.total(),
        functions,
        names.total(),
        _frequent(alone),
        {parent: kept for parent, counts in sorted(below.items()) if (kept := _frequent(counts))},
        {context: kept for context, counts in sorted(after.items()) if (kept := _frequent(counts))},
        _frequent(names),
        [(idioms[idiom], list(idiom[0]), list(idiom[1])) for idiom in repeated],
        [_usual(spelt[idiom], idioms[idiom]) for idiom in repeated],
    )


def _frequent(counts: Counter[str]) -> dict[str, int]:
    return {key: number for key, number in sorted(counts.items()) if number >= MIN_COUNT}


def _usual(names: Counter[str], times: int) -> dict[str, int]:
    """Return the names that are in more than one of an idiom's functions, and in a fiftieth of them."""
    return {name: number for name, number in sorted(names.items()) if number >= max(2, times / 50)}


@cache
def load_reference() -> Reference:
    """Return the reference that ships."""
    return Reference(**json.loads(gzip.decompress(_FILE.read_bytes())))


def _python_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if "site-packages" not in path.relative_to(folder).parts]


def main(folders: Sequence[str]) -> None:
    """Count all Python files below `folders` into the file that ships; `site-packages` inside them are left out."""
    files = [path for folder in folders for path in _python_files(Path(folder))]
    modules = (parse(path.read_text(errors="replace")) for path in files)
    reference = count(grow(module) for module in modules if module is not None)
    text = json.dumps(asdict(reference), separators=(",", ":"), ensure_ascii=False)
    _FILE.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(
        f"{len(files):,} files, {reference.functions:,} functions, {reference.nodes:,} nodes,"
        f" {len(reference.idioms):,} idioms: {_FILE.stat().st_size:,} bytes"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
