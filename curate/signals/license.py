"""Licences: which one does a file or a repository state, and may one train on it?

    Measure((License(),)), Keep(license.RULES)       only what is known to be permissive, as The Stack did

A file says it by an SPDX line in its head, or there in the words of one of the commonest licences; its repository in
the column `license`. An SPDX line holds; else of the two the stricter (a GPL header in an MIT repository). SPDX
expressions are read as SPDX means them: of `MIT OR GPL-3.0` one may choose, `MIT AND GPL-3.0` binds to both, an
exception (`WITH`) only adds leave. What is unknown, `""` or `other`, is not permissive: 0, not null. The list is the
Blue Oak Council's and ScanCode's permissive licences as The Stack used them (arXiv 2211.15533, section 3.1), of which
these are the ones that occur; public-domain dedications belong to it, CC-BY-SA does not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from curate.document import TEXT, Batch
from curate.stage import Rule

HEAD_CHARS = 5000  # of a file, where its licence stands
SPDX = re.compile(
    r"SPDX-License-Identifier:[ \t]*(\(?[\w.+-]+(?:[ \t]+(?:OR|AND|WITH)[ \t]+\(?[\w.+-]+\)?)*\)?)", re.IGNORECASE
)
PERMISSIVE = frozenset(
    (
        "0BSD AFL-2.1 AFL-3.0 Apache-1.1 Apache-2.0 Artistic-2.0 BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause "
        "BSD-2-Clause-Patent BSD-3-Clause BSD-3-Clause-Clear BSD-3-Clause-LBNL BSD-4-Clause BSD-Source-Code BSL-1.0 "
        "CC0-1.0 CC-BY-3.0 CC-BY-4.0 CNRI-Python ECL-2.0 FTL HPND ICU ISC JSON libpng libpng-2.0 libtiff MIT MIT-0 "
        "MIT-CMU MIT-Modern-Variant MS-PL MulanPSL-2.0 NCSA NTP OFL-1.1 OpenSSL PHP-3.01 PostgreSQL PSF-2.0 Python-2.0 "
        "Ruby TCL Unicode-3.0 Unicode-DFS-2016 Unlicense UPL-1.0 Vim W3C WTFPL X11 Xnet Zlib zlib-acknowledgement "
        "ZPL-2.1 CC-PDDC curl bzip2-1.0.6 Beerware"
    )
    .lower()
    .split()
)
# What people write for SPDX's names: classifiers of package indexes, hosts' labels, sentences.
ALIASES = {
    "mit license": "MIT",
    "the mit license": "MIT",
    "expat": "MIT",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "simplified bsd": "BSD-2-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "python software foundation license": "PSF-2.0",
    "psf": "PSF-2.0",
    "cc0/unlicense": "CC0-1.0",
    "cc0": "CC0-1.0",
    "public domain": "CC-PDDC",
    "cc-by": "CC-BY-4.0",
    "the unlicense": "Unlicense",
    "boost software license 1.0": "BSL-1.0",
    "zlib license": "Zlib",
}
# The words that a licence, or the notice it asks for, has and others lack; the first that fits. White space and the
# marks of comments are as one blank.
PHRASES = (
    ("gnu affero general public license", "AGPL-3.0"),
    ("gnu lesser general public license version 2.1", "LGPL-2.1"),
    ("gnu lesser general public license", "LGPL-3.0"),
    ("gnu library general public license", "LGPL-2.0"),
    ("gnu general public license version 2", "GPL-2.0"),
    ("gnu general public license as published by the free software foundation; either version 2", "GPL-2.0"),
    ("gnu general public license as published by the free software foundation; version 2", "GPL-2.0"),
    ("gnu general public license", "GPL-3.0"),
    ("mozilla public license, version 2.0", "MPL-2.0"),
    ("mozilla public license version 2.0", "MPL-2.0"),
    ("eclipse public license - v 2.0", "EPL-2.0"),
    ("eclipse public license", "EPL-1.0"),
    ("creative commons attribution-sharealike", "CC-BY-SA-4.0"),
    ("creative commons attribution-noncommercial", "CC-BY-NC-4.0"),
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
    ("do what the fuck you want to public license", "WTFPL"),
    ("neither the name of", "BSD-3-Clause"),
    ("redistribution and use in source and binary forms", "BSD-2-Clause"),
    # Notices in one line, the loosest last.
    ("licensed under the apache license", "Apache-2.0"),
    ("the mit license", "MIT"),
    ("mit license", "MIT"),
    ("use of this source code is governed by a bsd-style license", "BSD-3-Clause"),
)
NOISE = re.compile(r"[\s*#/;%!-]+")  # white space, and what draws a comment's margin


def detect(text: str) -> str:
    """Return the SPDX expression of a licence text, or of a file that states its licence; "" if none that we know."""
    stated = SPDX.search(text[:HEAD_CHARS])
    if stated:
        return _normal(stated[1])
    words = NOISE.sub(" ", text[:HEAD_CHARS].lower())
    for phrase, name in PHRASES:
        if NOISE.sub(" ", phrase) in words:
            return name
    return ""


def of_file(text: str, repository: str) -> str:
    """Return the licence of a file in a repository with a licence of its own, "" if neither is known."""
    own = detect(text)
    if own and (not repository or SPDX.search(text[:HEAD_CHARS]) or not is_permissive(own)):
        return own
    return repository


def is_permissive(license_: str) -> bool:
    """Tell whether an SPDX expression, or a common name of a licence, allows the use of The Stack's permissive list."""
    name = license_.strip()
    if not name or name.lower() in ALIASES:
        return bool(name) and ALIASES[name.lower()].lower() in PERMISSIVE
    return _allows(re.findall(r"\(|\)|[^\s()]+", name))


def _allows(tokens: list[str]) -> bool:
    """Evaluate `a AND (b OR c WITH d)`: OR binds least, WITH most."""
    for splitter in ("OR", "AND"):
        depth = 0
        parts: list[list[str]] = [[]]
        for token in tokens:
            depth += (token == "(") - (token == ")")
            if depth == 0 and token.upper() == splitter:
                parts.append([])
            else:
                parts[-1].append(token)
        if len(parts) > 1:
            decide = any if splitter == "OR" else all
            return decide(_allows(part) for part in parts)
    if len(tokens) > 1 and tokens[0] == "(" and tokens[-1] == ")":
        return _allows(tokens[1:-1])
    if len(tokens) == 3 and tokens[1].upper() == "WITH":
        tokens = tokens[:1]
    return len(tokens) == 1 and tokens[0].lower().removesuffix("+") in PERMISSIVE


def _normal(expression: str) -> str:
    spaced = " ".join(expression.split())
    return spaced[1:-1] if spaced.startswith("(") and spaced.endswith(")") and spaced.count("(") == 1 else spaced


@dataclass(frozen=True)
class License:
    """Measure `license.stated`, an SPDX expression or "", and `license.permissive`, 1 or 0."""

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        known = batch["license"].to_pylist() if "license" in batch.schema.names else [None] * batch.num_rows
        texts = batch[TEXT].to_pylist()
        stated = [
            None if text is None else of_file(text, repository or "")
            for text, repository in zip(texts, known, strict=True)
        ]
        permissive = [None if name is None else int(is_permissive(name)) for name in stated]
        return {
            "license.stated": pa.array(stated, pa.string()),
            "license.permissive": pa.array(permissive, pa.int8()),
        }


RULES = (Rule("license.permissive", at_least=1, source="The Stack, section 3.1: permissive licences only"),)
