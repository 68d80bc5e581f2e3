"""What each Unicode character is, as one table of bits: the only thing the kernels know about writing.

    kinds()[ord("A")] & (ALPHA | UPPER)

Letters, digits, spaces and cases are what Python's `str` methods say; punctuation is Unicode's general category.
The table is built once per process in a fraction of a second and takes 2 MB, of which ordinary text touches a corner.
"""

import functools
import unicodedata
from collections.abc import Iterator

import numpy as np

SPACE = 1  # str.isspace
BREAK = 2  # ends a line for str.splitlines; each of them is a SPACE too
ALPHA = 4  # str.isalpha
ALNUM = 8  # str.isalnum
UPPER = 16  # str.isupper
LOWER = 32  # str.islower
PUNCT = 64  # general category P*
SYMBOL = 128  # punctuation, ASCII symbols and control characters: a word of nothing else is no word for Gopher
AFFIX = 256  # comes off the front or the back of a word as a word of its own
TERMINAL = 512  # Unicode's Sentence_Terminal
CURRENCY = 1024  # general category Sc

LAST_LETTER = 0x33480  # code points from here on hold no letter, digit or mark that occurs in running text
NO_SPACES = (  # inclusive ranges of scripts written without spaces between words
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han, and its extensions and compatibility forms
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x33479),
)

BREAKS = "\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
AFFIXES = ("Ps", "Pe", "Pi", "Pf", "Po", "Sc", "So")  # brackets, quotes, other punctuation, currency, icons
# What spaCy's English tokenizer leaves on a word although Unicode calls it punctuation, and the other way round.
STUCK = frozenset("/@\\•…")
LOOSE = frozenset("_=<>`´—–")
# Unicode 17, PropList.txt, Sentence_Terminal: code points and ranges, in hexadecimal.
SENTENCE_TERMINAL = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D5 1803 1809
1944-1945 1AA8-1AAB 1B4E-1B4F 1B5A-1B5B 1B5E-1B5F 1B7D-1B7F 1C3B-1C3C 1C7E-1C7F 2024 203C-203D 2047-2049 2CF9-2CFB 2E2E
2E3C 2E53-2E54 2E60-2E61 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE12
FE15-FE16 FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143
111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 113D4-113D5 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642
1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44
16D6E-16D6F 16E98 1BC9F 1DA88
"""


@functools.cache
def kinds() -> np.ndarray:
    """Return (0x110000,) uint16: the bits of every code point."""
    table = np.zeros(0x110000, dtype=np.uint16)
    # Planes 4-13 hold no character, 15-16 only private ones.
    for point in (*range(0x40000), *range(0xE0000, 0xE0200)):
        table[point] = kind(chr(point))
    table[list(_terminals())] |= TERMINAL
    table.flags.writeable = False
    return table


def kind(character: str) -> int:
    """Return the bits of one character, TERMINAL aside."""
    category = unicodedata.category(character)
    if category == "Cn":  # unassigned: most of the table
        return 0
    punctuation = category[0] == "P"
    symbol = punctuation or category == "Cc" or (category[0] == "S" and character.isascii())
    affix = (category in AFFIXES and character not in STUCK) or character in LOOSE
    return (
        SPACE * character.isspace()
        | BREAK * (character in BREAKS)
        | ALPHA * character.isalpha()
        | ALNUM * character.isalnum()
        | UPPER * character.isupper()
        | LOWER * character.islower()
        | PUNCT * punctuation
        | CURRENCY * (category == "Sc")
        | SYMBOL * symbol
        | AFFIX * (affix and not character.isalnum())
    )


def _terminals() -> Iterator[int]:
    for item in SENTENCE_TERMINAL.split():
        first, _, last = item.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)
