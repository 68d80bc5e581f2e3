"""The rules of `curate.text.split` again, in slow and plain Python over strings."""

import re
import unicodedata
from collections import Counter

from curate.text.characters import SENTENCE_TERMINAL

TERMINALS = frozenset(
    chr(point)
    for item in SENTENCE_TERMINAL.split()
    for first, _, last in [item.partition("-")]
    for point in range(int(first, 16), int(last or first, 16) + 1)
)


def paragraphs(text: str) -> list[str]:
    found, open_ = [], False
    for line in text.splitlines():
        if line == "":
            open_ = False
        elif open_:
            found[-1] += "\n" + line
        else:
            found.append(line)
            open_ = True
    return found


def comes_off(c: str) -> bool:
    if c.isalnum():
        return False
    return c in "_=<>`´—–" or (
        unicodedata.category(c) in ("Ps", "Pe", "Pi", "Pf", "Po", "Sc", "So") and c not in "/@\\•…"
    )


def words(text: str) -> list[str]:
    return [word for chunk in text.split() for word in chunk_words(chunk)]


def chunk_words(chunk: str) -> list[str]:
    before, after = [], []
    while chunk:
        size = front(chunk)
        if not size:
            break
        before.append(chunk[:size])
        chunk = chunk[size:]
    while chunk:
        size = back(chunk)
        if not size:
            break
        after.insert(0, chunk[-size:])
        chunk = chunk[:-size]
    return before + core_words(chunk) + after


def front(chunk: str) -> int:
    dots = re.match(r"\.\.+|…", chunk)
    if dots:
        return len(dots[0])
    return int(comes_off(chunk[0]) and chunk[0] != ".")


def back(chunk: str) -> int:
    dots = re.search(r"(?:\.\.+|…)\Z", chunk)
    if dots:
        return len(dots[0])
    if unicodedata.category(chunk[-1]) == "Sc":
        return int(len(chunk) > 1 and is_figure(chunk[-2]))
    if chunk[-1] != ".":
        return int(comes_off(chunk[-1]))
    rest = chunk[:-1]
    if not rest or not (rest[-1].isalnum() or comes_off(rest[-1])):
        return 0
    if rest[-1].isalpha() and (len(rest) == 1 or rest[-2] == "."):
        return 0
    if rest[-1].isupper():
        return int(len(rest) > 1 and rest[-2].isupper())
    return 1


def core_words(core: str) -> list[str]:
    if not core:
        return []
    if (core.startswith("www.") and len(core) > 4) or "@" in core[1:-1] or is_link(core):
        return [core]
    ending = re.search(r"(?<=.)(?:n['’]t|['’](?:[sSmd]|ll|re|ve))\Z", core, re.DOTALL)
    tail = core[ending.start() :] if ending else ""
    core = core[: len(core) - len(tail)]
    found, start, i = [], 0, 1
    while i < len(core):
        size = inside(core, i)
        if size:
            found += [core[start:i], core[i : i + size]]
            start = i = i + size
        else:
            i += 1
    return [word for word in (*found, core[start:], tail) if word]


def is_link(core: str) -> bool:
    scheme, found, _ = core.partition("://")
    return bool(found) and scheme.isalnum()


def inside(core: str, i: int) -> int:
    c, before, after = core[i], core[i - 1], core[i + 1 : i + 2]
    dots = re.compile(r"\.\.+|…").match(core, i)
    if dots:
        return len(dots[0])
    if c.isalnum():
        return 0
    if not c.isascii():
        if c in "–—":
            return int(before.isalnum() and after.isalpha())
        return int(unicodedata.category(c) in ("Sc", "So") and comes_off(c) and ord(c) >= 0x2190)
    if c in "-~":
        run = len(core[i:]) - len(core[i:].lstrip("-")) if c == "-" else 1
        if before.isalnum() and core[i + run : i + run + 1].isalpha():
            return run
    if c in "+-*^":
        return int(is_figure(before) and is_figure(after))
    if c == ",":
        return int(before.isalpha() and after.isalpha())
    if c in ":<=>/":
        return int(before.isalnum() and after.isalpha())
    if c == ".":
        return int(before.islower() and after.isupper())
    return 0


def is_figure(c: str) -> bool:
    return c.isalnum() and not c.isalpha()


def is_symbol(c: str) -> bool:
    category = unicodedata.category(c)
    return category[0] == "P" or category == "Cc" or (category[0] == "S" and c.isascii())


def sentences(line: str) -> int:
    count, ended = 0, True  # the first word begins a sentence, whatever it is
    for i, word in enumerate(words(line)):
        punctuation = word in TERMINALS or all(unicodedata.category(c)[0] == "P" for c in word)
        if ended and (i == 0 or not punctuation):
            count, ended = count + 1, False
        ended = ended or word in TERMINALS
    return count


def top_ngram_chars(tokens: list[str], n: int) -> int:
    ngrams = [" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    if not ngrams:
        return 0
    ngram, count = Counter(ngrams).most_common(1)[0]
    return len(ngram) * count


def again_ngram_chars(tokens: list[str], n: int) -> int:
    seen, total, i = set(), 0, 0
    while i + n <= len(tokens):
        ngram = tuple(tokens[i : i + n])
        if ngram in seen:
            total += sum(map(len, ngram))
            i += n
        else:
            seen.add(ngram)
            i += 1
    return total


def duplicates(parts: list[str]) -> tuple[int, int]:
    again = [part for i, part in enumerate(parts) if part in parts[:i]]
    return len(again), sum(map(len, again))
