"""A slow exact reference in Python integers and sets, and corpora with planted copies."""

import unicodedata
from collections.abc import Callable
from random import Random

import pyarrow as pa
import pytest

M = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15
NO_SPACES = "0E00-0EFF 1000-109F 1780-17FF 3040-30FF 31F0-31FF 3400-4DBF 4E00-9FFF F900-FAFF 20000-33479"
ALONE = [tuple(int(end, 16) for end in block.split("-")) for block in NO_SPACES.split()]


def mix(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & M
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & M
    return x ^ (x >> 31)


def words(text: str, unit: str = "words") -> list[str]:
    found, word = [], ""
    for char in text + " ":
        letter = unicodedata.category(char)[0] in "LNM" or (unit == "code" and char == "_")
        spaceless = any(low <= ord(char) <= high for low, high in ALONE)
        alone = letter and (unit == "characters" or (unit == "words" and spaceless))
        char = char.lower() if char.isascii() and unit != "code" else char
        if word and (alone or not letter):
            found.append(word)
            word = ""
        if alone:
            found.append(char)
        elif letter:
            word += char
    return found


def word_hash(word: str) -> int:
    lanes = [word.encode()[i : i + 8] for i in range(0, len(word.encode()), 8)]
    h = 0xCBF29CE484222325
    for lane in lanes[:-1]:
        h = ((h ^ int.from_bytes(lane, "little")) * GAMMA) & M
        h ^= h >> 32
    return mix(((h ^ int.from_bytes(lanes[-1], "little")) * GAMMA) & M)


def shingles(text: str, size: int, unit: str = "words") -> list[int]:
    hashes = [word_hash(word) for word in words(text, unit)]
    size = min(size, len(hashes))
    found = []
    for i in range(len(hashes) - size + 1 if hashes else 0):
        h = 0
        for word in hashes[i : i + size]:
            h = (h * GAMMA + word) & M
        found.append(mix(h))
    return found


def jaccard(a: str, b: str, size: int = 5, unit: str = "words") -> float:
    one, two = set(shingles(a, size, unit)), set(shingles(b, size, unit))
    return len(one & two) / len(one | two) if one | two else 0.0


class Reference:
    """The functions above, for tests that take the fixture."""

    mix, words, shingles, jaccard = (
        staticmethod(mix),
        staticmethod(words),
        staticmethod(shingles),
        staticmethod(jaccard),
    )


@pytest.fixture(scope="session")
def reference() -> type[Reference]:
    return Reference


def random_text(random: Random, num_words: int) -> str:
    return " ".join(f"w{random.getrandbits(40):x}" for _ in range(num_words))


def near_copy(text: str, num_changed: int, random: Random) -> str:
    """Replace words at least five apart, none within four of an end: each changes exactly five shingles of five."""
    parts = text.split()
    for place in random.sample(range(4, len(parts) - 4, 5), num_changed):
        parts[place] = f"x{random.getrandbits(40):x}"
    return " ".join(parts)


@pytest.fixture(scope="session")
def plant() -> Callable[[int, int, int], list[tuple[str, str]]]:
    """(pairs, words, changed words) -> pairs of texts with J = (s - 5 c) / (s + 5 c), s = words - 4."""

    def pairs(count: int, num_words: int, num_changed: int) -> list[tuple[str, str]]:
        random = Random(f"{count} {num_words} {num_changed}")
        texts = [random_text(random, num_words) for _ in range(count)]
        return [(text, near_copy(text, num_changed, random)) for text in texts]

    return pairs


@pytest.fixture(scope="session")
def documents() -> Callable[..., pa.Table]:
    """Texts -> a table with ids a, b, c, ... or d000, d001, ...; further columns by keyword."""

    def table(texts: list[str], **columns: list[object]) -> pa.Table:
        ids = [chr(97 + i) if len(texts) <= 26 else f"d{i:05}" for i in range(len(texts))]
        return pa.table({"id": ids, "text": texts} | columns)

    return table
