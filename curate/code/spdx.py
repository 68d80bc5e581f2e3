"""Licence names and expressions: what is written, in SPDX's names, and may one train on it?

    normal("Apache Software License")            "Apache-2.0"
    is_permissive("(MIT OR GPL-3.0) AND ISC")    True: of OR one may choose, AND binds to both
    license_type("LGPL-2.1+")                    "non_permissive"

Expressions are SPDX's (annex D of its specification 2.3): WITH binds most, then AND, then OR, with parentheses, in any
case; Cargo's old slash (`MIT/Apache-2.0`) is OR, a comma between detected licences is AND. What is unknown or broken
is not permissive. The list is the one that The Stack v2 started from (arXiv 2402.19173, section 2.1): the Blue Oak
Council's, from Model to Lead, here its version 16 to Bronze and the Lead ones that occur, and the public-domain
dedications and notices that ScanCode calls "Permissive" or "Public Domain".

`license_type` is The Stack v2's column: "permissive", "non_permissive", or "no_license" where none is known.
"""

import re
from collections.abc import Iterable

PERMISSIVE = frozenset(
    """
    BlueOak-1.0.0 BSD-2-Clause-Patent ADSL Apache-2.0 APAFML BSD-1-Clause BSD-2-Clause BSD-2-Clause-FreeBSD
    BSD-2-Clause-NetBSD BSD-2-Clause-Views BSL-1.0 DSDP ECL-1.0 ECL-2.0 hdparm ImageMagick Intel-ACPI ISC Linux-OpenIB
    MIT MIT-Modern-Variant MIT-testregex MIT-Wu MS-PL MulanPSL-1.0 Mup PostgreSQL SHL-0.5 Spencer-99 UPL-1.0 Xerox Xfig
    0BSD AFL-1.1 AFL-1.2 AFL-2.0 AFL-2.1 AFL-3.0 AMDPLPA AML AMPAS ANTLR-PD ANTLR-PD-fallback Apache-1.0 Apache-1.1
    Artistic-2.0 Bahyph Barr bcrypt-Solar-Designer BSD-3-Clause BSD-3-Clause-Attribution BSD-3-Clause-Clear
    BSD-3-Clause-HP BSD-3-Clause-LBNL BSD-3-Clause-Modification BSD-3-Clause-No-Nuclear-License-2014
    BSD-3-Clause-No-Nuclear-Warranty BSD-3-Clause-Open-MPI BSD-3-Clause-Sun BSD-4-Clause BSD-4-Clause-Shortened
    BSD-4-Clause-UC BSD-Source-Code bzip2-1.0.5 bzip2-1.0.6 CC0-1.0 CFITSIO Clips CNRI-Jython CNRI-Python
    CNRI-Python-GPL-Compatible Cube curl eGenix Entessa FTL fwlw HPND-Fenneberg-Livingston HPND-sell-regexpr HTMLTIDY
    IBM-pibs ICU Info-ZIP Intel JasPer-2.0 Libpng libpng-2.0 libtiff LPPL-1.3c LZMA-SDK-9.22 MIT-0 MIT-advertising
    MIT-CMU MIT-enna MIT-feh MIT-open-group MITNFA MTLL MulanPSL-2.0 Multics Naumen NCSA Net-SNMP NetCDF NICTA-1.0
    NIST-Software NTP OLDAP-2.0 OLDAP-2.0.1 OLDAP-2.1 OLDAP-2.2 OLDAP-2.2.1 OLDAP-2.2.2 OLDAP-2.3 OLDAP-2.4 OLDAP-2.5
    OLDAP-2.6 OLDAP-2.7 OLDAP-2.8 OML OpenSSL PHP-3.0 PHP-3.01 Plexus PSF-2.0 Python-2.0 Python-2.0.1 Ruby Saxpath
    SGI-B-2.0 SMLNJ SunPro SWL Symlinks TCL TCP-wrappers UCAR Unicode-3.0 Unicode-DFS-2015 Unicode-DFS-2016 UnixCrypt
    Unlicense VSL-1.0 W3C W3C-20150513 X11 XFree86-1.1 xlock Xnet xpp Zlib zlib-acknowledgement ZPL-2.0 ZPL-2.1
    AAL Artistic-1.0 Artistic-1.0-cl8 Artistic-1.0-Perl Beerware CECILL-B Fair HPND IJG MirOS NRL psutils Qhull
    Vim WTFPL JSON OFL-1.1 CC-BY-3.0 CC-BY-4.0 CC-PDDC NIST-PD PDDL-1.0
    LicenseRef-scancode-public-domain LicenseRef-scancode-public-domain-disclaimer
    LicenseRef-scancode-other-permissive
    """.lower().split()
)
EXCEPTIONS = frozenset(
    ("llvm-exception", "swift-exception")
)  # that permissive licences come with; each only adds leave
# What people write for SPDX's names: classifiers of package indexes, hosts' labels, GitHub's keys, sentences. A bare
# "BSD" or "Apache" is the family; every member in use is permissive.
_SPELLINGS = {
    "MIT": "mit license; the mit license; the mit license (mit); mit/x11; mit/x11 license; expat; expat license",
    "Apache-2.0": "apache; apache 2; apache2; apache 2.0; apache-2; apache license; apache 2.0 license; "
    "apache license 2.0; apache license, version 2.0; apache license version 2.0; apache software license; "
    "apache software license 2.0; asl 2.0; the apache license, version 2.0; apache license, 2.0; apache v2; al2",
    "BSD-3-Clause": "bsd; bsd license; bsd licence; bsd-like; bsd 3; bsd-3; new bsd; new bsd license; revised bsd; "
    "modified bsd; modified bsd license; 3-clause bsd; 3-clause bsd license; bsd 3-clause; bsd 3-clause license; "
    'bsd 3-clause "new" or "revised" license; bsd-3-clause license; the bsd 3-clause license; bsd three-clause license',
    "BSD-2-Clause": "bsd 2-clause; simplified bsd; simplified bsd license; 2-clause bsd; 2-clause bsd license; "
    'freebsd; bsd 2-clause license; bsd 2-clause "simplified" license',
    "ISC": "isc license; isc license (iscl); iscl",
    "PSF-2.0": "python software foundation license; psf; psfl; psf license; psf license version 2",
    "CC0-1.0": "cc0; cc0 1.0; cc0/unlicense; cc0 1.0 universal; cc0 1.0 universal (cc0 1.0) public domain dedication; "
    "creative commons zero v1.0 universal",
    "CC-PDDC": "public domain; public-domain; pd",
    "CC-BY-4.0": "cc-by; cc by 4.0; creative commons attribution 4.0 international",
    "CC-BY-SA-4.0": "cc-by-sa; cc by-sa; creative commons attribution share alike 4.0 international",
    "CC-BY-NC-4.0": "cc-by-nc; cc by-nc",
    "Unlicense": "the unlicense; the unlicense (unlicense); unlicence",
    "BSL-1.0": "boost software license 1.0; boost software license 1.0 (bsl-1.0); boost; boost software license",
    "Zlib": "zlib license; zlib/libpng license; zlib/libpng",
    "ZPL-2.1": "zope public license; zpl; zpl 2.1",
    "Artistic-2.0": "artistic license 2.0",
    "WTFPL": "do what the f*ck you want to public license",
    "NCSA": "university of illinois/ncsa open source license",
    "MPL-2.0": "mozilla public license 2.0 (mpl 2.0); mozilla public license 2.0; mpl 2.0; mpl2; mpl",
    "MPL-1.1": "mozilla public license 1.1 (mpl 1.1); mozilla public license 1.1",
    "EPL-2.0": "eclipse public license 2.0 (epl-2.0); eclipse public license 2.0; eclipse public license v2.0",
    "EPL-1.0": "eclipse public license 1.0 (epl-1.0); eclipse public license 1.0",
    "GPL-2.0": "gpl 2; gplv2; gnu general public license v2.0; gnu general public license v2 (gplv2); gpl v2",
    "GPL-2.0-or-later": "gplv2+; gnu general public license v2 or later (gplv2+); gpl v2 or later",
    "GPL-3.0": "gpl 3; gplv3; gnu general public license v3.0; gnu general public license v3 (gplv3); gpl v3; gpl; "
    "gnu general public license (gpl); gnu general public license",
    "GPL-3.0-or-later": "gplv3+; gnu general public license v3 or later (gplv3+); gpl v3 or later",
    "LGPL-2.1": "gnu lesser general public license v2.1; lgpl 2.1; lgplv2.1",
    "LGPL-3.0": "gnu lesser general public license v3.0; gnu lesser general public license v3 (lgplv3); lgplv3; lgpl; "
    "gnu library or lesser general public license (lgpl)",
    "LGPL-3.0-or-later": "gnu lesser general public license v3 or later (lgplv3+); lgplv3+",
    "AGPL-3.0": "gnu affero general public license v3.0; gnu affero general public license v3; agplv3; agpl",
}
ALIASES = {
    spelling.strip(): name for name, said in _SPELLINGS.items() for spelling in said.split(";") if spelling.strip()
}
_TROVE = re.compile(r"license\s*::\s*(?:osi approved\s*::\s*)?", re.IGNORECASE)  # PyPI's classifiers
_TOKEN = re.compile(r"\(|\)|[^\s()]+")
_NOTHING = frozenset(("", "none", "unknown", "null", "noassertion"))


def normal(name: str) -> str:
    """Return the SPDX expression for a common way of writing a licence; one that is not known as it is.

    >>> normal("License :: OSI Approved :: MIT License")
    'MIT'
    """
    bare = " ".join(_TROVE.sub("", name.strip()).split())
    if bare.lower() in ALIASES:
        return ALIASES[bare.lower()]
    parts = re.split(r"\s*,\s*(?!version)", bare) if "," in bare else [bare]
    return join(parts) if len(parts) > 1 else bare


def join(names: Iterable[str]) -> str:
    """Return one expression for licences that all hold, each once: what detectors find in a file or folder."""
    found = dict.fromkeys(normal(name) for name in names if name and name.strip())
    alone = len(found) == 1
    return " AND ".join(name if alone or " OR " not in name.upper() else f"({name})" for name in found)


def is_permissive(license_: str) -> bool:
    """Tell whether a licence, by name or expression, is on the list, as far as one may choose."""
    return _Parser(_tokens(normal(license_))).whole()


def license_type(license_: str | None) -> str:
    """Return The Stack v2's `license_type`: "permissive", "non_permissive" or "no_license"."""
    if license_ is None or license_.strip().lower() in _NOTHING:
        return "no_license"
    return "permissive" if is_permissive(license_) else "non_permissive"


def _tokens(expression: str) -> list[str]:
    slashed = re.sub(r"(?<=[\w.)])\s*/\s*(?=[\w(])", " OR ", expression)
    return _TOKEN.findall(slashed)


class _Parser:
    """Recursive descent over the tokens of one expression; anything malformed is not permissive."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.place, self.depth = tokens, 0, 0

    def whole(self) -> bool:
        try:
            allowed = self._choice()
        except ValueError:
            return False
        return allowed and self.place == len(self.tokens)

    def _choice(self) -> bool:
        allowed = self._both()
        while self._take("OR"):
            allowed |= self._both()
        return allowed

    def _both(self) -> bool:
        allowed = self._one()
        while self._take("AND"):
            allowed &= self._one()
        return allowed

    def _one(self) -> bool:
        token = self._next()
        if token == "(":
            self.depth += 1
            if self.depth > 50:
                raise ValueError("nested too deeply")
            allowed = self._choice()
            self.depth -= 1
            if self._next() != ")":
                raise ValueError("a parenthesis is missing")
            return allowed
        words = [token]  # a common name of several words, inside an expression: `MIT License OR GPL-3.0`
        while self.place < len(self.tokens) and self.tokens[self.place].upper() not in ("AND", "OR", "WITH", "(", ")"):
            words.append(self._next())
        name = normal(" ".join(words)).lower()
        if not name or name in (")", "and", "or", "with"):
            raise ValueError(f"a licence is missing before {token}")
        allowed = name.removesuffix("+") in PERMISSIVE
        if self._take("WITH"):
            allowed &= self._next().lower() in EXCEPTIONS
        return allowed

    def _take(self, operator: str) -> bool:
        if self.place < len(self.tokens) and self.tokens[self.place].upper() == operator:
            self.place += 1
            return True
        return False

    def _next(self) -> str:
        if self.place >= len(self.tokens):
            raise ValueError("the expression breaks off")
        self.place += 1
        return self.tokens[self.place - 1]
