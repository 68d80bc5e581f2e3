"""Does a string look drawn by chance, chosen as a password, or put there to be filled in?

    is_dummy("AKIAIOSFODNN7EXAMPLE")      True: Amazon's documentation; it opens nothing and stays
    is_random("9f86d081884c7d659a2f")     True
    is_password("Tr0ub4dor&3")            True; "password123" is words and a number, and stays

Chance shows in how little of a string can be said: of 20 random letters and digits, in 99 cases of 100, less than half
lies in runs of three letters or more whose neighbours are at home in words, of `OAuth2RequestForm` or
`user_profile_v2_settings` nearly all.
"""

import math
import re
from collections import Counter
from itertools import pairwise
from urllib.parse import unquote

# Words in what stands in for a secret.
DUMMY = re.compile(
    r"example|placeholder|change[-_]?(?:me|it|this)|replace[-_]?(?:me|this|with)|redacted|dummy|sample|(?:^|[-_.])todo"
    r"|(?:^|[-_.<\[{ /])(?:your|some|fake|mock|invalid|insert)[-_]"
    r"|[-_](?:here|key|token|secret|password)$|x{5,}|\*{3,}|\.{3,}|#{4,}|deadbeef|cafebabe",
    re.IGNORECASE,
)
TEMPLATE = re.compile(  # a place to be filled in
    r"\$?\{[\w.\[\]:! ]*\}|\{\{.*\}\}|<[\w\s-]+>|%\(\w+\)s|%[sdr]|\$\([^)]*\)"
    r"|^(?:\$[A-Za-z_][\w.]*[:@/-]?)+$|^%\w+%$|^@\w+@$"
)
# What passwords of tests and manuals are made of.
WORDS = (
    "pass|password|passwd|pwd|passphrase|passcode|passwort|pw|secret|secrets|token|tests?|testing|tester|user"
    "|username|admin|root|guest|foo|bar|baz|qux|spam|eggs|hello|world|letmein|login|key|value|default|none|null"
    "|true|false|my|your|the|new|old|wrong|bad|good|invalid|valid|correct|incorrect|fake|mock|abc|abcd|abcdef"
    "|abcdefg|qwerty|asdf|string|text|auth|basic|digest|proxy|postgres|postgresql|mysql|redis|mongo|oracle|docker"
    "|demo|temp|tmp|dev|prod|local|super|some|strong|weak|sample|example|change|me|ssl|client|server|db|api|app"
    "|latin|utf|is|not|a|an|no|this|that|anonymous|site|secure"
)
WORDY = re.compile(rf"\W?(?:(?:{WORDS})[-_ .:@#%+/]?)+[0-9]{{0,6}}!?", re.IGNORECASE)
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
HEX = re.compile(r"(?:0x)?(?:[0-9a-f]+|[0-9A-F]+)")
ADDRESS = re.compile(  # a URL, a path, an escape, a reference, an e-mail address, a date, a host
    r"://|^[./~]|\\[xuU0]|^\$\{|^[\w.+-]+@[\w-]+\.[a-z]{2,}$|^\d{4}-\d\d-\d\d|^[\w.-]+(?:/[\w.-]+){2,}$"
    r"|^[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+(?::\d+)?$|^[a-z0-9-]+(?:\.[a-z0-9-]+){2,}$"
)
RUN = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}")
# After each letter, those that follow it in the words of source code: the 300 most frequent pairs of 676, 97 % of all
# pairs in small-letter words (580 files of 19 languages).
FOLLOWS = (
    "abcdfgiklmnprstuvwxy baceijlorsuy cacehiklorstu dadeilorstuy eabcdefgilmnopqrstvwxy faefilortuy gaeghilnorstu"
    " haeiortu iabcdefgklmnoprstvxz jeo kaeis lacdefilopstuvy mabeilmopsu nacdefgiklnopstuvy oabcdefgiklmnoprstuvwx"
    " padehiloprstuy qu racdefgiklmnoprstuvwy sacefhiklmnopstuwy tacdefhilmoprstuwy uabcdefgilmnprst vaeio waehinors"
    " xaceipt yeilnopst ze"
)
PAIRS = frozenset(row[0] + letter for row in FOLLOWS.split() for letter in row[1:])


def entropy(text: str) -> float:
    """Return Shannon's entropy of the letters of a text, in bits a letter."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def turns(text: str) -> float:
    """Return the share of neighbouring letters and digits that are of different classes: small, capital, digit."""
    classes = [0 if c.islower() else 1 if c.isupper() else 2 if c.isdigit() else 3 for c in text]
    pairs = [(a, b) for a, b in pairwise(classes) if 3 not in (a, b)]
    return sum(a != b for a, b in pairs) / max(len(pairs), 1)


def wordy(text: str) -> float:
    """Return the share of the letters and digits of a text that lies in runs of letters that can be said."""
    said = sum(len(run) for run in RUN.findall(text) if len(run) >= 3 and _can_be_said(run.lower()))
    return said / max(sum(c.isalnum() for c in text), 1)


def _can_be_said(run: str) -> bool:
    pairs = [run[i : i + 2] in PAIRS for i in range(len(run) - 1)]
    return sum(pairs) >= 0.75 * len(pairs)  # abbreviations have a pair that no word has


def is_dummy(text: str) -> bool:
    """Tell a string that was put there to be filled in or to show a form: words for it, one letter, or a sequence."""
    if DUMMY.search(text):
        return True
    codes = [ord(c) for c in text.lower()]
    steps = [b - a for a, b in pairwise(codes)]
    return sum(step in (0, 1) for step in steps) > 0.5 * len(steps)


def is_random(text: str, *, at_least: int = 16) -> bool:
    """Tell a string of letters, digits and base64's signs that looks drawn by chance."""
    text = unquote(text)
    if len(text) < at_least or not re.fullmatch(r"[A-Za-z0-9+/=_.~:%-]+", text):
        return False
    if is_dummy(text) or UUID.fullmatch(text):
        return False
    digits, capitals, small = (re.search(kind, text) is not None for kind in ("[0-9]", "[A-Z]", "[a-z]"))
    if HEX.fullmatch(text):
        return digits and (capitals or small) and entropy(text) >= 2.8
    if text.count(".") > 2 or text.count(":") > 1 or re.search(r"\.[a-z]{2,4}$", text):
        return False  # a name of several parts, a time, a file
    if text.count("/") > 2 + len(text) / 20 and not re.search("[+=]", text):
        return False  # a path
    if max(len(part) for part in re.split(r"[^A-Za-z0-9]+", text)) < 8:  # 2024-01-05, v1.2-rc1, words with numbers
        return False
    mixed = capitals and small and turns(text) >= 0.25
    return wordy(text) < 0.5 and entropy(text) >= 3.0 and ((digits and turns(text) >= 0.15) or mixed)


def is_password(text: str, *, at_least: int = 2) -> bool:
    """Tell a string that somebody chose as a password; words, and words with a number, stay: tests are full of them.

    Args:
        text: as it is written, with a URL's escapes or places to fill in.
        at_least: of the four classes small letters, capitals, digits and other signs, how many it must have.
    """
    text = TEMPLATE.sub("", unquote(text))
    if not 6 <= len(text) <= 128 or re.search(r"\s", text) or is_dummy(text) or WORDY.fullmatch(text):
        return False
    if ADDRESS.search(text):
        return False
    if UUID.fullmatch(text):
        return False
    if not re.search(r"[A-Za-z]", text):
        return text.isdecimal() and len(set(text)) >= 4
    signs = re.search(r"[^\w.,:;/()\[\]<>{}'\"\\-]", text) is not None
    classes = sum(re.search(kind, text) is not None for kind in ("[a-z]", "[A-Z]", "[0-9]")) + signs
    if classes < at_least:
        return False
    return signs or re.search(r"[0-9]", text) is not None or (turns(text) >= 0.35 and wordy(text) < 0.5)


def is_signed_key(text: str) -> bool:
    """Tell a long key drawn from letters, digits and all signs, as frameworks make for their SECRET_KEY."""
    signs = set(re.findall(r"[^\w\s.,:;/\\'\"]", text))
    spaced = re.search(r"\s", text) is not None  # WordPress has spaces among them
    return 20 <= len(text) <= 256 and len(signs) >= (8 if spaced else 4) and len(set(text)) >= 14 and "://" not in text
