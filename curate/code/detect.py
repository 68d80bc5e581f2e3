r"""Which language is a file in? By its name, and where a name allows several, by what stands in it.

    detect("src/app.py", text)         "Python"
    detect("include/vector.h", text)   "C++", for there is `template <` or `class` in it
    detect("app_de.ts", text)          "XML": a translation of Qt's, not TypeScript
    detect("bin/deploy", text)         "Shell", by "#!/usr/bin/env bash"

The order is Linguist's: file name, ending, then an editor's modeline, the first line `#!`, and rules for the content.
The rules are ours, in the sense of Linguist's; for C's headers they look past comments, strings and what is only there
`#ifdef __cplusplus`. Of a file that no rule tells apart, the language that the ending means most often.
"""

import re
from collections.abc import Callable

from curate.code.languages import INTERPRETERS, NAMES, by_name

HEAD_CHARS = 50 * 1024  # what Linguist's rules look at
_MODELINE = re.compile(
    r"-\*-[ \t]*(?:.*?mode:[ \t]*)?([\w+#-]+).*?-\*-|\b(?:vi|vim|ex):.*?\b(?:ft|filetype|syntax)=(\w+)"
)
_SHEBANG = re.compile(r"#![ \t]*(?:\S*/)?env[ \t]+(?:-\S+[ \t]+|\w+=\S*[ \t]+)*(\S+)|#![ \t]*(\S+)")
_EXEC = re.compile(r"^\s*exec\s+([\w.+-]+).*\$0", re.MULTILINE)  # `#!/bin/sh`, and then `exec tclsh "$0"`


def detect(path: str, text: str | None = None) -> str | None:
    """Return the language of a file by Linguist's name, None if neither name nor content tell it.

    Without text, the most frequent of the languages that the name allows.
    """
    allowed = by_name(path)
    if text is None or len(allowed) == 1:
        return allowed[0] if len(allowed) == 1 else _usual(path, allowed)
    head = text[:HEAD_CHARS].removeprefix("\ufeff")
    stated = _modeline(head) or shebang(head)
    if stated is not None and (stated in allowed or not allowed):
        return stated
    return _by_content(path, allowed, head)


def shebang(text: str) -> str | None:
    """Return the language of the interpreter that a first line `#!` names."""
    match = _SHEBANG.match(text)
    if match is None:
        return None
    name = (match[1] or match[2]).rsplit("/", 1)[-1]
    if name == "sh" and (other := _EXEC.search(text[:1000])):
        name = other[1]
    for candidate in (name, name.rstrip("0123456789.-"), name.split("-")[0]):  # python3.11, lua5.1, ruby-2.7
        if candidate in INTERPRETERS:
            return INTERPRETERS[candidate][0]
    return None


def _modeline(head: str) -> str | None:
    lines = head.split("\n", 5)[:5]
    for line in lines:
        if match := _MODELINE.search(line[:500]):
            return NAMES.get((match[1] or match[2]).lower())
    return None


def _usual(path: str, allowed: tuple[str, ...]) -> str | None:
    if not allowed:
        return None
    return _RULES[_ending(path)][1] if _ending(path) in _RULES else allowed[0]


def _by_content(path: str, allowed: tuple[str, ...], head: str) -> str | None:
    rules, usual = _RULES.get(_ending(path), ((), allowed[0] if allowed else None))
    return next((language for language, holds in rules if holds(head)), usual)


def _ending(path: str) -> str:
    return "." + path.rsplit(".", 1)[-1].lower() if "." in path else ""


Holds = Callable[[str], object]


def _has(pattern: str, flags: int = 0) -> Holds:
    return re.compile(pattern, re.MULTILINE | flags).search


def _starts(*beginnings: str) -> Holds:
    return lambda head: head.lstrip().startswith(beginnings)


_NOT_C = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
_STRINGS = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'")
_IF_CPLUSPLUS = re.compile(r"#\s*if(?:def\s+|\s+defined\s*\(?\s*)__cplusplus\b.*?#\s*(?:endif|else|elif)", re.DOTALL)
_CPLUSPLUS = _has(
    r"^\s*#\s*include\s*<[a-z_]+>|^\s*template\s*<|^\s*(?:enum\s+)?class\s+\w+[^;(]*[;:{]?\s*$|^\s*class\s+\w+\s*[;:{]"
    r"|^\s*(?:inline\s+)?namespace\b[\s\w:]*\{?\s*$|^\s*namespace\s+[\w:]+\s*\{|^\s*using\s+(?:namespace\s+)?[\w:]+"
    r"|^\s*(?:public|private|protected)(?:\s+\w+)?\s*:(?!:)|\w\s*::\s*[~\w]|\b(?:static|dynamic|reinterpret|const)_cast\s*<"
    r"|\bvirtual\s+[\w~]|\boperator\s*(?:[-+*/=<>!&|\[(]|new\b|delete\b|bool\b)|^\s*extern\s*\"\"\s*\{|\btypename\s+\w"
    r"|\)\s*(?:const\s*)?(?:noexcept|override|final)\b|\b~\w+\s*\(\s*\)\s*[;{]|=\s*(?:default|delete)\s*;"
)
_OBJECTIVE_C = _has(
    r"^\s*@(?:interface|implementation|protocol|class|property|end|import|synthesize)\b|^\s*#\s*import\s+[\"<]"
)


def _is_cplusplus(head: str) -> object:
    code = _STRINGS.sub('""', _NOT_C.sub(" ", head))
    return _CPLUSPLUS(_IF_CPLUSPLUS.sub("", code))


_XML = _starts("<?xml", "<!DOCTYPE TS", "<TS ", "<TS>")
_PERL = _has(
    r"^\s*(?:use|no|require)\s+(?!v6)[\w:.]+[^\n]*;|^\s*package\s+[A-Za-z_][\w:]*\s*[;{]|^\s*(?:my|our|local)\s*[$@%(]"
    r"|^\s*sub\s+\w+|\$\w+\s*(?:=~|->|\{)|^\s*print\b[^\n]*;\s*$|^=(?:pod|head\d|cut)\b"
)
_RAKU = _has(
    r"^\s*use\s+v6\b|^\s*(?:unit\s+)?(?:module|role|grammar)\s+\w+|^\s*(?:my\s+)?class\s+\w[\w:]*[^;]*\{|^\s*multi\s+sub\b"
)
_PROLOG = _has(r"^\s*:-\s*\w|^[a-z]\w*\s*(?:\(.*\))?\s*:-|^[a-z]\w*\([^()]*\)\.\s*$|^[a-z]\w*(?:\([^()]*\))?\s*-->")
_COMMON_LISP = _has(r"^\s*\((?:defun|defmacro|defpackage|in-package|defvar|defparameter|defclass)\s", re.IGNORECASE)
_VB6 = _has(r"^VERSION\s+\d\.\d+|^Attribute\s+VB_")
_PASCAL = _has(r"^\s*end[.;]\s*$|\{\$(?:mode|ifdef|undef|define)\b", re.IGNORECASE)
_FORTH = _has(r"^: \S+")
# ending -> (the rules in order, the language if none holds)
_RULES: dict[str, tuple[tuple[tuple[str, Holds], ...], str | None]] = {
    ".h": ((("Objective-C", _OBJECTIVE_C), ("C++", _is_cplusplus)), "C"),
    ".ts": ((("XML", _XML),), "TypeScript"),
    ".tsx": ((("XML", _XML),), "TypeScript"),
    ".mm": ((("XML", _XML),), "Objective-C++"),
    ".rs": ((("XML", _XML),), "Rust"),
    ".hh": ((("Hack", _has(r"<\?hh")),), "C++"),
    ".php": ((("Hack", _has(r"\A\s*(?:#!.*\n)?<\?hh")),), "PHP"),
    ".md": ((("GCC Machine Description", _starts(";;", "(define_")),), "Markdown"),
    ".cs": ((("Smalltalk", _has(r"![\w\s]+methodsFor: ")),), "C#"),
    ".m": (
        (
            ("Objective-C", _OBJECTIVE_C),
            ("Mercury", _has(r"^:- module\b")),
            ("Mathematica", _has(r"^\s*\(\*|\b(?:BeginPackage|Begin|Needs|Module|Block)\[|:=\s*$")),
        ),
        "MATLAB",
    ),
    ".pl": ((("Raku", _has(r"^\s*use\s+v6\b")), ("Perl", _PERL), ("Prolog", _PROLOG)), "Perl"),
    ".pm": (
        (("X PixMap", _starts("/* XPM")), ("Raku", _has(r"^\s*use\s+v6\b")), ("Perl", _PERL), ("Raku", _RAKU)),
        "Perl",
    ),
    ".t": ((("Raku", _has(r"^\s*use\s+v6\b")), ("Perl", _PERL), ("Raku", _RAKU)), "Perl"),
    ".pro": (
        (
            ("Prolog", _PROLOG),
            ("QMake", _has(r"^\s*(?:HEADERS|SOURCES|TEMPLATE|QT|CONFIG|TARGET)\s*[+*-]?=")),
            ("IDL", _has(r"^\s*(?:function|pro|compile_opt)\s+\w", re.IGNORECASE)),
        ),
        "INI",
    ),
    ".cls": (
        (
            ("TeX", _has(r"^\s*\\(?:NeedsTeXFormat|ProvidesClass|LoadClass|DeclareOption|RequirePackage)\b")),
            ("Visual Basic 6.0", _has(r"^VERSION 1\.0 CLASS\s*\n\s*BEGIN\s*\n\s*MultiUse\s*=.*\n\s*Persistable")),
            ("VBA", _VB6),
            ("Apex", _has(r"\bclass\s+\w+|\b(?:interface|enum)\s+\w+\s*\{", re.IGNORECASE)),
        ),
        "TeX",
    ),
    ".frm": ((("Visual Basic 6.0", _has(r"^\s*Begin\s+VB\.Form")), ("VBA", _VB6)), None),
    ".bas": ((("Visual Basic 6.0", _has(r"^Attribute\s+VB_(?!PredeclaredId)")),), "VBA"),
    ".inc": (
        (
            ("PHP", _has(r"<\?(?:php\b|=|\s)")),
            ("HTML", _has(r"\A\s*<(?:!DOCTYPE|!--|html|head|div|table|p|ul|a|script|link|meta)\b", re.IGNORECASE)),
            ("SourcePawn", _has(r"^\s*(?:native|forward|methodmap|stock)\s+\w")),
            (
                "C++",
                _has(r"^\s*#\s*(?:include|define|ifdef|ifndef|if|undef|pragma)\b|^\s*[A-Z_][A-Z0-9_]*\(.*\)\s*;?\s*$"),
            ),
            ("Pascal", _PASCAL),
            ("Assembly", _has(r"^\s*(?:mov|push|pop|jmp|call|db|dw|equ|section|%macro|\.macro)\b", re.IGNORECASE)),
            ("SQL", _has(r"\A\s*(?:--.*\n\s*)*(?:create|insert|select|alter|drop|update)\s", re.IGNORECASE)),
        ),
        None,
    ),
    ".fs": (
        (
            ("GLSL", _has(r"^\s*(?:#version|precision|uniform|varying|vec[234])\b")),
            ("Forth", _FORTH),
        ),
        "F#",
    ),
    ".f": ((("Forth", _FORTH),), "Fortran"),
    ".for": ((("Forth", _FORTH),), "Fortran"),
    ".v": (
        (
            ("Coq", _has(r"(?:^|\s)(?:Proof|Qed)\.(?:$|\s)|^\s*(?:From \S+ )?Require\s+(?:Import|Export)\b")),
            (
                "Verilog",
                _has(
                    r"^\s*(?:module|endmodule|always|initial|assign)\b|^\s*`(?:define|ifdef|ifndef|include|timescale)"
                ),
            ),
            ("V", _has(r"^\s*(?:pub\s+)?fn\s+\w|^\s*module\s+\w+\s*$")),
        ),
        "Verilog",
    ),
    ".d": (
        (
            ("D", _has(r"^module\s+[\w.]+\s*;|^\s*import\s+[\w\s,.:]+;|^\s*(?:unittest|struct|class|enum|void|int)\b")),
            ("Makefile", _has(r"^[^\s:]+\.\w+\s*:(?:\s|$)")),
        ),
        "D",
    ),
    ".sc": (
        (("SuperCollider", _has(r"\^(?:this|super)\.|^\s*[+]?\s*\w+\s*:\s*\w+\s*\{|SynthDef|^\s*~\w+\s*=")),),
        "Scala",
    ),
    ".pp": ((("Pascal", _PASCAL),), "Puppet"),
    ".cl": ((("Common Lisp", _COMMON_LISP), ("OpenCL", _has(r"__kernel|\bkernel\s+void|/\*|//"))), "Common Lisp"),
    ".l": ((("Lex", _has(r"^%[{}%]")), ("Roff", _has(r"^\.(?:TH|SH|\\\")\b")), ("Common Lisp", _COMMON_LISP)), "Lex"),
    ".ml": (
        (
            ("OCaml", _has(r"\blet rec\b|^\s*(?:module|open)\s|\bmatch\b.*\bwith\b|->")),
            ("Standard ML", _has(r"=>|^\s*val\s")),
        ),
        "OCaml",
    ),
    ".yy": ((("JSON", _starts("{")),), "Yacc"),
    ".spec": (
        (
            ("RPM Spec", _has(r"^(?:Name|Version|Release|Summary):\s")),
            ("Ruby", _has(r"^\s*(?:require|describe|Gem::|Pod::)\b")),
        ),
        "Python",
    ),
    ".st": ((), "Smalltalk"),
}
