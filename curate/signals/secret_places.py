"""Secrets that lie where a word says so: private keys, `user:password@` in URLs, webhooks, passwords of commands.

at_place("://", document, place)      what is secret at this word: nothing, one Span, or each line of a private key
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from curate.signals.secret_commands import COMMANDS, in_command
from curate.signals.secret_names import Span
from curate.signals.secret_shapes import is_dummy, is_password, is_random, wordy

USER = re.compile(rb"://([^\s:@/'\"`<>()\[\]{},;|\\]*):([^\s@/'\"`<>\\]{3,200})@(?=[\w\[$%{.-])")
BEGIN = re.compile(rb"-----BEGIN ((?:[A-Z0-9]+ ){0,4})PRIVATE KEY(?: BLOCK)?-----", re.IGNORECASE)
END = re.compile(rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----", re.IGNORECASE)
BASE64 = re.compile(
    rb"(?:(?<=\\n)|(?<=\\r)|(?<![A-Za-z0-9+/=\\]))(?:=?[A-Za-z0-9+/]{4,}={0,2}|[A-Za-z0-9+/]{2,3}={1,2})"
)
HEADER = re.compile(rb"[A-Za-z][A-Za-z-]*: [^\n]*")  # `Proc-Type: 4,ENCRYPTED`, `Version: GnuPG v2`
SEPARATOR = re.compile(rb"(?:\s|\\+[nr])*")
PUTTY = re.compile(rb"private-lines: \d+\s+((?:[A-Za-z0-9+/=]{8,}\s+)*[A-Za-z0-9+/=]{8,})", re.IGNORECASE)
MAX_BLOCK = 20_000  # bytes of a private key; 16,384 bits of RSA take 13,000
MIN_LINE = 30  # letters of the longest line of base64; Ed25519 has one of 64
HOOKS: dict[str, tuple[str, re.Pattern[bytes]]] = {  # group 1 is the secret part
    "hooks.slack.com": (
        "slack_webhook",
        re.compile(
            rb"hooks\.slack\.com\\?/(?:services|workflows|triggers)\\?/"
            rb"([A-Za-z0-9]{6,}\\?/[A-Za-z0-9]{6,}(?:\\?/[A-Za-z0-9]{8,})+)"
        ),
    ),
    "api/webhooks/": ("discord_webhook", re.compile(rb"api/webhooks/[0-9]{15,21}/([\w-]{50,80})")),
    "webhook.office.com/": (
        "teams_webhook",
        re.compile(rb"webhook\.office\.com/webhookb2/([\w@-]{60,}/IncomingWebhook/[\w/-]{40,})"),
    ),
    "azurewebsites.net/api/": (
        "azure_key",
        re.compile(rb"azurewebsites\.net/api/[\w./-]+\?code=([\w%+/-]{40,}={0,2})"),
    ),
    "sig=": ("azure_sas", re.compile(rb"(?<=[?&;])sig=([A-Za-z0-9%+/]{40,70}(?:%3[Dd]|=)?)")),
}
# Where one of these stands, `at_place` looks.
PLACES = ("://", "-----begin", "private-lines:", *HOOKS, *COMMANDS)


def at_place(word: str, data: bytes, place: int) -> Iterator[Span]:
    """Yield what is secret where one of PLACES stands in a document."""
    if word == "://":
        yield from _in_url(data, place)
    elif word == "-----begin":
        yield from _private_key(data, place)
    elif word == "private-lines:":
        stop = PUTTY.match(data, place)
        if stop:
            yield Span("private_key", *stop.span(1))
    elif word in HOOKS:
        kind, expression = HOOKS[word]
        match = expression.match(data, place)
        if match and not is_dummy(match[1].decode()):
            yield Span(kind, *match.span(1))
    else:
        yield from (Span(*found) for found in in_command(word, data, place))


def _in_url(data: bytes, place: int) -> Iterator[Span]:
    match = USER.match(data, place)
    if match is None:
        return
    password = match[2].decode("utf-8", "replace")
    if is_password(password) or is_random(password):
        yield Span("url_password", *match.span(2))


def _private_key(data: bytes, place: int) -> Iterator[Span]:
    """Yield the base64 of a private key: in one piece if it stands alone, else each line in its quotes or comment."""
    begin = BEGIN.match(data, place)
    if begin is None:
        return
    end = END.search(data, begin.end(), begin.end() + MAX_BLOCK)
    stop = end.start() if end else _last_line(data, begin.end())
    body = HEADER.sub(lambda found: b" " * len(found[0]), data[begin.end() : stop])
    lines = [match.span() for match in BASE64.finditer(body)]
    drawn = [i for i, (a, b) in enumerate(lines) if b - a >= 16 and wordy(body[a:b].decode()) < 0.6]
    if not drawn or max(lines[i][1] - lines[i][0] for i in drawn) < MIN_LINE:
        return
    gaps = [body[b:c] for (_, b), (c, _) in pairwise(lines)]
    base = begin.end()
    if all(SEPARATOR.fullmatch(gap) for gap in gaps):
        yield Span("private_key", base + lines[0][0], base + lines[-1][1])
        return
    if drawn[-1] == len(lines) - 2 and not re.search(rb"\w{2}", gaps[-1]):
        drawn.append(len(lines) - 1)  # the rest of a key that does not fill its last line
    yield from (Span("private_key", base + lines[i][0], base + lines[i][1]) for i in drawn)


def _last_line(data: bytes, place: int) -> int:
    """Return where the lines of base64 after a beginning without an end stop."""
    found = re.compile(rb"(?:(?:\s|\\+[nr]|[#*+\"'])*[A-Za-z0-9+/]{30,}={0,2})*").match(data, place)
    assert found is not None
    return found.end()
