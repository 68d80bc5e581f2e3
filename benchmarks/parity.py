"""Do our rules decide as datatrove's filters do? Every document on which they differ is explained, or counted as not.

    python benchmarks/parity.py docs.parquet --documents 0      (0: all of them, at some 0.3 MB/s)

Each of the four filters of datatrove's examples/fineweb.py judges every document alone, and then their chain, in which
C4's filter rewrites the text that FineWeb's judges. All of it twice: with our word splitter on both sides, handed to
datatrove through the seam it has for one (`language=` takes a WordTokenizer), and with spaCy on theirs.

A difference is explained by experiment: datatrove is asked again about the same document with one cause taken away
(or two, or more, where one is not enough). When it then decides as we do, that was the cause. What no experiment
explains is listed as unexplained. The causes:

- words: spaCy's words, and the sentences made of them, are replaced by ours.
- CR LF: datatrove splits lines at the LF, so that each keeps a CR: it neither ends well nor is empty. A defect there.
- other breaks: a form feed or U+2028 ends a line for us (and for Gopher's and C4's filters), not for the two others.
- blank ends: line breaks around the text make empty lines, which datatrove's repetition filter counts as lines.
"""

import argparse
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.text import split_into_words
from datatrove.utils.word_tokenizers import WordTokenizer
from spacy.pipeline import Sentencizer

from curate.signals import c4, fineweb, gopher, repetition
from curate.signals.c4 import C4Lines
from curate.signals.text import TextSignals
from curate.stage import Keep, Measure, Stage
from curate.text.pages import read_pages

RULES = {"repetition": repetition.RULES, "gopher": gopher.RULES, "c4": c4.RULES, "fineweb": fineweb.RULES}
# The chain of curate.signals.rules, without its language filter.
CHAIN: tuple[Stage, ...] = (
    Measure((TextSignals(("repetition", "gopher", "c4")),)),
    Keep((*repetition.RULES, *gopher.RULES, *c4.RULES)),
    C4Lines(),
    Measure((TextSignals(("fineweb",)),)),
    Keep(fineweb.RULES),
)
ONE_PASS: tuple[Stage, ...] = (
    Measure((TextSignals(),)),
    Keep(tuple(rule for rules in RULES.values() for rule in rules)),
)
CAUSES: dict[str, Callable[[str], str]] = {
    "words": lambda text: text,  # handled by the choice of filters
    "CR LF": lambda text: text.replace("\r\n", "\n"),
    "other breaks": lambda text: re.sub("[\v\f\x1c-\x1e\x85\u2028\u2029]|\r(?!\n)", "\n", text),
    "blank ends": lambda text: text.strip("\n"),
}
SPACY, SHARED = "spaCy's words", "our words on both sides"


class OurWords(WordTokenizer):
    """Our words for datatrove; sentences of them by the rule, and with the marks, of spaCy's sentencizer."""

    marks = frozenset(Sentencizer.default_punct_chars)

    def word_tokenize(self, text: str) -> list[str]:
        return [text[start:stop] for start, stop in places(text)]

    def sent_tokenize(self, text: str) -> list[str]:
        return [text[start:stop] for start, stop in self.span_tokenize(text)]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        begin, end, ended = 0, 0, False
        for start, stop in places(text):
            word = text[start:stop]
            if word in self.marks:
                ended = True
            elif ended and not is_punctuation(word):
                spans.append((begin, end))
                begin, ended = start, False
            end = stop
        return [*spans, (begin, end)] if end else spans


def places(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each of our words begins and ends: the kernel gives their lengths, in order, without white space."""
    at = 0
    for size in read_pages(pa.array([text])).words.chars.tolist():
        while text[at].isspace():
            at += 1
        yield at, at + size
        at += size


def is_punctuation(word: str) -> bool:
    """Whether spaCy calls a word punctuation: nothing but Unicode's punctuation."""
    return all(unicodedata.category(character)[0] == "P" for character in word)


@cache
def filters(words: str) -> dict[str, object]:
    """Return datatrove's filters in the order, and with the settings, of its examples/fineweb.py."""
    language = {"language": OurWords()} if words == SHARED else {}
    return {
        "repetition": GopherRepetitionFilter(**language),
        "gopher": GopherQualityFilter(**language),
        "c4": C4QualityFilter(filter_no_terminal_punct=False, **language),
        "fineweb": FineWebQualityFilter(**language),
    }


def theirs(name: str, text: str, words: str) -> str:
    """Return why a filter of datatrove's, or the chain of all, drops the document; nothing if it is kept."""
    document = Document(text, id="")
    for step, filter_ in filters(words).items():
        if name in (step, "chain"):
            answer = filter_.filter(document)  # type: ignore[attr-defined]
            if answer is not True:
                return str(answer[1])
    return ""


def ours(stages: tuple[Stage, ...], texts: list[str]) -> list[list[str]]:
    """Return the rules that each document breaks."""
    found: list[list[str]] = []
    for batch in pa.table({"text": pa.array(texts, pa.large_string())}).to_batches(max_chunksize=500):
        for stage in stages:
            batch = stage(batch)
        found += [broken or [] for broken in batch["dropped_by"].to_pylist()]
    return found


def cause(name: str, text: str, dropped: bool, words: str) -> str:
    """Return the smallest set of causes without which datatrove decides as we do, or "unexplained"."""
    possible = [c for c in CAUSES if (words == SPACY if c == "words" else CAUSES[c](text) != text)]
    for size in range(1, len(possible) + 1):
        for some in combinations(possible, size):
            changed = text
            for one in some:
                changed = CAUSES[one](changed)
            if bool(theirs(name, changed, SHARED if "words" in some else words)) == dropped:
                return " and ".join(some)
    return "unexplained"


def compare(name: str, texts: list[str], found: list[list[str]], words: str, show: bool) -> int:
    """Print how one filter agrees, and the causes of what differs; return how many are unexplained."""
    reasons = [theirs(name, text, words) for text in texts]
    differ = [i for i, (a, b) in enumerate(zip(reasons, found, strict=True)) if bool(a) != bool(b)]
    dropped = f"datatrove drops {sum(map(bool, reasons)):5}, we {sum(map(bool, found)):5}"
    print(f"  {name:10} {1 - len(differ) / len(texts):8.3%}   {dropped}")
    causes: dict[str, list[int]] = {}
    for i in differ:
        causes.setdefault(cause(name, texts[i], bool(found[i]), words), []).append(i)
    for why, documents in sorted(causes.items()):
        kinds = Counter(f"{reasons[i] or 'kept'} / {' '.join(found[i]) or 'kept'}" for i in documents)
        print(f"    {why}: {len(documents)}   " + ", ".join(f"{n} x {kind}" for kind, n in kinds.most_common(3)))
        if "words" in why:
            explain_words([texts[i] for i in documents])
        for i in documents if show or why == "unexplained" else ():
            print(f"      document {i}, {reasons[i] or 'kept'} / {found[i] or 'kept'}: {texts[i][:150]!r}")
    return len(causes.get("unexplained", ()))


def explain_words(texts: list[str]) -> None:
    """Print how many words differ in documents that lie near a threshold, and which most often."""
    num, changed = 0, Counter[str]()
    for text in texts:
        mine, spacy = [[text[a:b] for a, b in places(text)], split_into_words(text)]
        num += len(spacy)
        changed.update(differences(mine, spacy))
    common = ", ".join(f"{pair} ({n})" for pair, n in changed.most_common(6))
    print(f"      {changed.total() / max(num, 1):.2%} of their words are split otherwise (ours | spaCy's): {common}")


def differences(mine: list[str], spacy: list[str]) -> Iterator[str]:
    """Yield the shortest stretches that two splittings of one text cut in different ways."""
    i = j = 0
    while i < len(mine) and j < len(spacy):
        a, b = [mine[i]], [spacy[j]]
        while (left := sum(map(len, a))) != (right := sum(map(len, b))):
            if left < right and i + len(a) < len(mine):
                a.append(mine[i + len(a)])
            elif j + len(b) < len(spacy):
                b.append(re.sub(r"\s", "", spacy[j + len(b)]))  # spaCy leaves some white space inside words
            else:
                break
        if len(a) > 1 or len(b) > 1:
            yield f"{' '.join(a):.30} | {' '.join(b):.30}"
        i, j = i + len(a), j + len(b)


def agreement(texts: list[str], *, show: bool = False) -> int:
    """Print both comparisons, filter by filter and for the chain; return how many differences are unexplained."""
    steps = {name: (Measure((TextSignals((name,)),)), Keep(rules)) for name, rules in RULES.items()}
    found = {name: ours(stages, texts) for name, stages in [*steps.items(), ("chain", CHAIN)]}
    unexplained = 0
    for words in (SHARED, SPACY):
        print(f"\ndecisions on {len(texts)} documents, {words} (why: theirs / ours)")
        unexplained += sum(compare(name, texts, broken, words, show) for name, broken in found.items())
    print(f"\nunexplained differences: {unexplained}")
    one_pass = ours(ONE_PASS, texts)
    same = sum(bool(a) == bool(b) for a, b in zip(one_pass, found["chain"], strict=True)) / len(texts)
    print(f"all rules on the whole text, as in `curate filter`, decide as our chain of two passes on {same:.3%}")
    return unexplained


def spread(path: str, column: str, count: int) -> list[str]:
    """Return `count` texts at equal distances, so that every source in the file has a say; all of them for 0."""
    texts = pq.read_table(path, columns=[column])[column].drop_null()
    step = max(len(texts) // count, 1) if count else 1
    found: list[str] = texts.take(pa.array(range(0, len(texts), step))).to_pylist()
    return found[: count or None]


def main() -> None:
    """Compare the decisions on the documents of a Parquet file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="a Parquet file of documents")
    parser.add_argument("--documents", type=int, default=500, help="how many, spread over the file; 0 for all")
    parser.add_argument("--column", default="text")
    parser.add_argument("--show", action="store_true", help="print every document on which a filter differs")
    args = parser.parse_args()
    agreement(spread(args.path, args.column, args.documents), show=args.show)


if __name__ == "__main__":
    main()
