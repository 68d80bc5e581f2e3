"""Passwords that a command or a call holds in a place of its own: `curl -u user:...`, `new PDO(dsn, "root", "...")`.

    in_command("curl ", document, place)      the Span of the password, or nothing

Each word of COMMANDS is where an expression is tried; group 1 is the secret. A password must have so many of the four
classes of letters; 0 asks for a string drawn by chance. A word that is found in ordinary code asks for three classes.
"""

import re
from collections.abc import Iterator
from functools import cache

from curate.signals.secret_shapes import is_password, is_random

VALUE = r"""['"]?([^\s'"]{6,100})(?![^\s'"])"""  # a word of a shell's line, in quotes or not
QUOTED = r"""[bu@]?['"`]([^'"`\n]{6,100})['"`]\s*[,)]"""
ANY = r"""(?:"[^"\n]*"|'[^'\n]*'|[^,()'"\n]+)\s*,\s*"""  # an argument before the password
# auth=("me", "...")
PAIR = r"""\w+ ?=? ?\(\s*[bu]?['"][^'"\n]{1,60}['"]\s*,\s*[bu]?['"]([^'"\n]{6,100})['"]\s*,?\s*\)"""
BLOCK = r"\w+: [|>][+-]?[ \t]*\r?\n[ \t]+(\S{6,100})[ \t]*(?=\r?\n|$)"  # YAML: `password: |` and a line
CDATA = r"\w+><!\[CDATA\[\s*([^\]\s]{6,100})\s*\]\]>"
# word -> classes of letters, expressions from the word on
COMMANDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "docker login ": (2, (r"docker login [^\n]{0,200}?-p " + VALUE,)),
    "redis-cli ": (2, (r"redis-cli [^\n]{0,200}?-a " + VALUE,)),
    "curl ": (2, (r"""curl [^\n]{0,300}?(?:-u|--user|--proxy-user)[ =]?['"]?[\w.@+-]+:""" + VALUE,)),
    "http -a ": (2, (r"http -a [\w.@+-]+:" + VALUE,)),  # HTTPie
    "sshpass ": (2, (r"sshpass -p ?" + VALUE,)),
    "mysql": (2, (r"mysql(?:dump|admin|import|show|check)? [^\n]{0,200}?(?<=[ '\"])-p" + VALUE,)),
    "sqlcmd ": (2, (r"sqlcmd [^\n]{0,200}?(?-i:-P) ?" + VALUE,)),
    "ldap": (2, (r"ldap(?:search|add|modify|delete|passwd|whoami) [^\n]{0,200}?(?-i:-w) " + VALUE,)),
    "smbclient ": (2, (r"smbclient [^\n]{0,200}?-U ?['\"]?[\w.\\/-]+%" + VALUE,)),
    "zip ": (2, (r"zip (?:-\w+ )*?-\w*(?-i:P) ?" + VALUE,)),
    "net use": (2, (r"net use [^\n]{0,200}?/user:\S+ " + VALUE, r"net user [\w.-]+ " + VALUE + r"(?= +/| *\r?\n|$)")),
    "pass:": (2, (r"(?:(?<=-passin )|(?<=-passout )|(?<=-pass ))pass:" + VALUE,)),  # openssl
    "echo ": (
        2,
        (
            r"""echo (?:-\w+ )*['"]?[\w.-]+:([^\s'"|]{6,100})['"]? *\| *(?:sudo )?chpasswd""",
            r"""echo (?:-\w+ )*['"]?([^\s'"|]{6,100})['"]? *\| *[^|\n]{0,100}(?:-stdin\b|sudo (?-i:-S)|with-token)""",
        ),
    ),
    "identified with ": (2, (r"""identified with \w+ (?:by|as) ['"]([^'"\n]{6,100})['"]""",)),
    "securestring -string ": (2, (r"securestring -string " + VALUE,)),
    "jdbc:oracle:": (2, (r"jdbc:oracle:\w+:[\w$]+/([^\s@/'\"]{6,100})@",)),
    'variable "': (
        2,
        (
            r"""variable "\w*(?:password|passwd|secret|token|_key)\w*"\s*\{[^{}]{0,400}?\n\s*default\s*="""
            r"""\s*"([^"\n]{6,100})\"""",
        ),
    ),
    '<setting name="': (
        2,
        (r"""<setting name="\w*(?:password|passwd|pwd|secret)"[^>\n]*>\s*<value>\s*([^<\s]{6,100})\s*</value>""",),
    ),
    "password is ": (3, (r"password is " + VALUE,)),
    "password: |": (2, (BLOCK,)),
    "password: >": (2, (BLOCK,)),
    "secret: |": (2, (BLOCK,)),
    "secret: >": (2, (BLOCK,)),
    "password><![cdata[": (2, (CDATA,)),
    "secret><![cdata[": (2, (CDATA,)),
    "auth(": (3, (PAIR,)),
    "auth=(": (3, (PAIR,)),
    "auth = (": (3, (PAIR,)),
    "credentials(": (3, (PAIR,)),
    "credentials=(": (3, (PAIR,)),
    "credentials = (": (3, (PAIR,)),
    "_connect(": (3, (r"_connect\(\s*" + 2 * ANY + QUOTED,)),  # PHP: host, user, password
    "new mysqli(": (3, (r"new mysqli\(\s*" + 2 * ANY + QUOTED,)),
    "new pdo(": (3, (r"new PDO\(\s*" + 2 * ANY + QUOTED,)),
    "getconnection(": (3, (r"getConnection\(\s*" + 2 * ANY + QUOTED,)),  # JDBC
    "ftp(": (3, (r"FTP\(\s*" + 2 * ANY + QUOTED,)),
    ".login(": (3, (r"\.login\(\s*" + ANY + QUOTED,)),
    "networkcredential(": (3, (r"NetworkCredential\(\s*" + ANY + QUOTED,)),
    "wifi.begin(": (3, (r"WiFi\.begin\(\s*" + ANY + QUOTED,)),  # Arduino
    "authorization: ": (0, (r"authorization: (?:token|jwt|apikey|key) ([\w.=~+/-]{16,200})",)),
    "appid=": (0, (r"(?<=[?&])appid=([0-9a-f]{32})\b",)),  # OpenWeatherMap
}


def in_command(word: str, data: bytes, place: int) -> Iterator[tuple[str, int, int]]:
    """Yield what is secret at one of COMMANDS: kind, first byte, one past the last."""
    classes, expressions = _compiled(word)
    for expression in expressions:
        match = expression.match(data, place)
        if match is None:
            continue
        value = match[1].decode("utf-8", "replace")
        if is_password(value, at_least=classes) if classes else is_random(value):
            yield "password" if classes else "key", *match.span(1)
            return


@cache
def _compiled(word: str) -> tuple[int, list[re.Pattern[bytes]]]:
    classes, expressions = COMMANDS[word]
    return classes, [re.compile(expression.encode(), re.IGNORECASE) for expression in expressions]
