"""Which licence does a text state: an SPDX line, or the words that only this licence has?

    detect(open("LICENSE").read())    "BSD-3-Clause"
    of_file(text, "MIT")              what binds a file of a repository under MIT

An SPDX line in the head of a file holds; else of the file's own words and what its repository says the stricter
(a GPL header in an MIT repository). A licence is known by a phrase in place of ScanCode's comparison with 2,000
texts: quick, and blind to what nobody uses.
"""

import re

from curate.code.spdx import is_permissive, join, normal

HEAD_CHARS = 5000  # of a file, where its licence stands
_ONE = r"\(*[\w.+-]+\)*"
SPDX = re.compile(rf"SPDX-License-Identifier:[ \t]*({_ONE}(?:[ \t]+(?:OR|AND|WITH)[ \t]+{_ONE})*)", re.IGNORECASE)
LICENSE_NAME = re.compile(  # of a file that holds a licence: LICENSE, COPYING.LESSER, LICENSE-MIT.txt, mit-license.md
    r"(?:(?:un)?licen[cs]es?|copying|copyright|ofl)(?:[-._][\w.-]+)?|(?:mit|apache|bsd|gpl|lgpl|agpl|isc)[-_]?licen[cs]e(?:[-._][\w.-]+)?",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\.(?!md$|txt$|rst$|html?$|mit$|bsd$|apache$|gpl\w*$|lgpl\w*$|agpl\w*$|lesser$|isc$|\d)\w+$", re.IGNORECASE
)
# The words that a licence, or the notice it asks for, has and others lack; the first that fits. White space and the
# marks of comments are as one blank.
PHRASES = (
    ("mozilla public license version 2.0", "MPL-2.0"),  # its title: the text names the GNU licences as secondary ones
    ("eclipse public license - v 2.0", "EPL-2.0"),  # so does this one
    ("gnu affero general public license", "AGPL-3.0"),
    ("gnu lesser general public license version 2.1", "LGPL-2.1"),
    ("gnu lesser general public license as published by the free software foundation; either version 2.1", "LGPL-2.1"),
    ("gnu lesser general public license", "LGPL-3.0"),
    ("gnu library general public license", "LGPL-2.0"),
    ("gnu general public license version 2", "GPL-2.0"),
    ("gnu general public license as published by the free software foundation; either version 2", "GPL-2.0"),
    ("gnu general public license as published by the free software foundation; version 2", "GPL-2.0"),
    ("gnu general public license", "GPL-3.0"),
    ("mozilla public license, version 2.0", "MPL-2.0"),
    ("mozilla public license, v. 2.0", "MPL-2.0"),
    ("mozilla public license version 1.1", "MPL-1.1"),
    ("common development and distribution license", "CDDL-1.0"),
    ("eclipse public license", "EPL-1.0"),
    ("european union public licence", "EUPL-1.2"),
    ("server side public license", "SSPL-1.0"),
    ("business source license 1.1", "BUSL-1.1"),
    ("elastic license 2.0", "Elastic-2.0"),
    ('"commons clause" license condition', "LicenseRef-scancode-commons-clause"),
    ("creative commons attribution-sharealike", "CC-BY-SA-4.0"),
    ("creative commons attribution-noncommercial", "CC-BY-NC-4.0"),
    ("attribution-noncommercial 4.0 international", "CC-BY-NC-4.0"),
    ("attribution-sharealike 4.0 international", "CC-BY-SA-4.0"),
    ("attribution 4.0 international", "CC-BY-4.0"),
    ("apache license version 2.0", "Apache-2.0"),
    ("apache license, version 2.0", "Apache-2.0"),
    ("boost software license", "BSL-1.0"),
    ("permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"),
    ("permission to use, copy, modify, and/or distribute this software for any purpose", "ISC"),
    ("permission to use, copy, modify, and distribute this software for any purpose", "ISC"),
    ("this is free and unencumbered software released into the public domain", "Unlicense"),
    ("cc0 1.0 universal", "CC0-1.0"),
    ("this software is provided 'as-is', without any express or implied warranty", "Zlib"),
    ("python software foundation license version 2", "PSF-2.0"),
    ("sil open font license", "OFL-1.1"),
    ("universal permissive license", "UPL-1.0"),
    ("microsoft public license", "MS-PL"),
    ("do what the fuck you want to public license", "WTFPL"),
    ("neither the name of", "BSD-3-Clause"),
    ("redistribution and use in source and binary forms", "BSD-2-Clause"),
    # Notices in one line, the loosest last.
    ("licensed under the apache license", "Apache-2.0"),
    ("the mit license", "MIT"),
    ("mit license", "MIT"),
    ("use of this source code is governed by a bsd-style license", "BSD-3-Clause"),
)
NOISE = str.maketrans(dict.fromkeys("*#/;%!-", " "))  # what draws a comment's margin; white space goes with it
_HINTS = ("licen", "permission", "redistribution", "neither", "domain", "cc0", "attribution", "as-is")
_PHRASES = tuple((" ".join(phrase.translate(NOISE).split()), name) for phrase, name in PHRASES)


def detect(text: str) -> str:
    """Return the SPDX expression of a licence text, or of a file that states its licence; "" if none that we know."""
    head = text[:HEAD_CHARS].lower()
    stated = _spdx(text, head)
    if stated:
        return stated
    if not any(hint in head for hint in _HINTS):
        return ""
    words = " ".join(head.translate(NOISE).split())
    return next((name for phrase, name in _PHRASES if phrase in words), "")


def detect_all(texts: list[str]) -> str:
    """Return what the licence files of one folder say together: all of it holds, unknown ones say nothing."""
    return join(detect(text) for text in texts)


def of_file(text: str, repository: str) -> str:
    """Return the licence of a file in a repository with a licence of its own, "" if neither is known."""
    own = detect(text)
    if own and (not repository or _spdx(text, text[:HEAD_CHARS].lower()) or not is_permissive(own)):
        return own
    return normal(repository)


def is_license_name(name: str) -> bool:
    """Tell whether a name is a licence file's: `LICENSE`, `COPYING.LESSER`, `MIT-LICENSE.txt`; not `license.py`."""
    return LICENSE_NAME.fullmatch(name) is not None and _CODE.search(name) is None


def _spdx(text: str, head: str) -> str:
    """Return what a line of SPDX in the head of a text says, "" if there is none; `head` is it in small letters."""
    stated = SPDX.search(text[:HEAD_CHARS]) if "spdx-license-identifier:" in head else None
    return _balanced(stated[1]) if stated else ""


def _balanced(expression: str) -> str:
    spaced = " ".join(expression.split())
    while spaced.count("(") < spaced.count(")") and spaced.endswith(")"):  # the comment's own parenthesis
        spaced = spaced[:-1]
    if spaced.startswith("(") and spaced.endswith(")") and spaced.count("(") == 1:
        spaced = spaced[1:-1]
    return spaced.rstrip(".")
