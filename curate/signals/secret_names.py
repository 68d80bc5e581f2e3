"""Values that only their name gives away: `db_password = "..."`, `Authorization: Bearer ...`, `ENV API_KEY ...`.

    named(document, name, start, stop)     a Span (kind, start, stop), or None for what stays

The name says what is expected, a password or a key; the value must look it (`curate.signals.secret_shapes`). Without
quotes a value is a secret only where it can be no expression of a language: it must look drawn by chance, or end a line
of settings. Hashes, ids and public keys are told by their names and stay.
"""

import base64
import binascii
import re
from typing import NamedTuple

from curate.signals.secret_shapes import UUID, entropy, is_dummy, is_password, is_random, is_signed_key, turns, wordy


class Span(NamedTuple):
    """A secret: what it is and where, in bytes of its document."""

    kind: str
    start: int
    stop: int


PASSWORD = re.compile(  # names in small letters, words parted by _
    r"passw|passphrase|passcode|secure_?string|(?:^|_)(?:pass|pwd|pw)(?:$|_)|pwd$|^identified by$"
    r"|(?:db|user|admin|root|smtp|mail|ftp|sudo|login|key|store|require)_?pass$|^master_?auth$"
)
KEY = re.compile(
    r"secret|token|credential|bearer|authorization|(?:^|_)auth$|basic $"
    r"|(?:api|app|application|access|auth|private|priv|encrypt|encryption|decrypt|decryption|crypt|crypto|cipher|sign"
    r"|signing|signature|master|account|shared|storage|service|consumer|client|session|admin|hmac|aes|jwt|server"
    r"|security|license|subscription|webhook|cookie|db|database|instrumentation|write|read|user|send|deploy|bot|root"
    r"|stripe|aws|google|azure|sentry|algolia|maps|firebase|heroku|twilio|mailgun|sendgrid|openai|github|gitlab|slack"
    r"|datadog|rollbar|ssh|rsa|payment|merchant|project|developer|integration|vault|django|flask|rails)_?key"
)
OTHER = re.compile(
    r"public|pubkey|foreign|primary|sort_?key|partition|cache|hash|sha_?\d|md5|digest|checksum|integrity|fingerprint"
    r"|commit|revision|tokeniz|(?:next|page|client)_?token|last_?used|secretsmanager|continuation|author(?!iz)|idempoten|keyword|keyboard|bypass|compass"
    r"|passage|passing|passed|passes|passenger|passport|pass_?through|web_?socket|(?:^|_)(?:id|ids|name|names|path|file|url|uri|type|len|length"
    r"|size|count|regex|pattern|field|header|prefix|suffix|format|version|date|expiry|expires|method|class|algorithm|alg"
    r"|index|usage|arn|label|description|vector|nonce|salt|iv)(?:$|_)"
)
SECRET = re.compile(r"secret(?:_key(?:_base)?)?$|(?:auth|in|salt)_key$")  # such a key may be chosen as a password is
STRONG = re.compile(
    r"secret|(?:api|instrumentation)_?key|(?:access|auth|api|bot|deploy|project|repo)_?token|heroku"
)  # names under which a UUID is a key
NAME = re.compile(rb"identified by|bearer |basic |[\w-]+", re.IGNORECASE)
# What may stand between a name and its value besides signs: a type, tags, `value=`.
BETWEEN = re.compile(
    rb":\s*&?(?:'static )?(?:mut )?[\w<>]+(?:\[\])?\s*="
    rb"|</[\w:.-]+>|<(?:value|string|data|param-value)>|\b(?:value|default|string|str|char|text)\b|\[\d+\]"
    rb"|\$\{[\w.]+:-?$|\b[bBuUrRfFLN]$|\b[bBuUrRfFLN](?=['\"])|<-(?=\s*['\"])"
    rb"|\[\]byte\(|\bBuffer\.from\(|\bbytes(?:\.fromhex)?\(|\bb64decode\(",
    re.IGNORECASE,
)
SETTING = re.compile(  # a line of settings up to its value: env, YAML, INI, Dockerfile
    rb"[ \t#;/*-]*(?:(?:export|ENV|ARG|set|setx)[ \t]+)?[\w.\[\]-]+[ \t]*(?:[?:+]?=|:[ \t])[ \t]*|[\w-]+(?:\.[\w-]+)+:"
    rb"|[ \t]*(?:ENV|ARG|setx)[ \t]+\w+[ \t]+"
)
CONNECTION = re.compile(rb"[;&?'\" ][\w ]{2,40}=$")  # `...;Password=`, `...&password=`
CONSTANT = re.compile(rb"(?:^|[\s\"'])[A-Z][A-Z0-9_]*=$")  # `PGPASSWORD=... psql`, `-e MYSQL_PASSWORD=...`
LIBPQ = re.compile(rb"(?:host|user|dbname|port)=\S+.*\spassword=$", re.IGNORECASE)
FLAG = re.compile(rb"(?:^|\s)--?[\w-]+[= ][ ]?$")
NETRC = re.compile(rb"(?:login|user)[ \t]+\S+\s+password[ \t]+$", re.IGNORECASE)
FLOW = re.compile(rb"[{,][ \t]*[\w-]+:[ \t]+$")  # `{user: app, password: ...}` in YAML
INVENTORY = re.compile(rb"^[^()]*\s[\w.]+=[^\s()]+[ \t][^()]*(?<=[ \t])[\w.]+=$")  # Ansible: `host a=b password=...`
CREATE = re.compile(rb"\buser\s+\S+\s+identified by $", re.IGNORECASE)  # Oracle's SQL
COMMENT = re.compile(  # password: ...
    rb"[ \t]*(?:#|//|--|\*|;|rem ).*(?:pass(?:word|wd)?|pwd)(?:[ \t]*[:=]|[ \t]+is)[ \t]+$", re.IGNORECASE
)
ARGUMENT = re.compile(rb"(?:\(\s*['\"`]?|(?:^|\s)set\s+:?)[\w.:-]*$")  # `put("mail.`, `set :deploy_`
NEAR, MAX_VALUE = 400, 4096  # bytes of a line that are looked at before a value, and from its beginning
PLACE = re.compile(rb"\$\{[\w.]+:-?$")  # `${DB_PASSWORD:` before what it is otherwise
SCHEME = re.compile(r"(?:Bearer|Basic|Token|token|Bot|OAuth)[ ]+")
DEFAULT = re.compile(r"\$\{[\w.]+:-?([^{}]+)\}")  # Spring's and the shell's ${NAME:default}
ESCAPES = re.compile(r"(?:\\[nrt])+$")


def named(data: bytes, name_at: int, start: int, stop: int) -> Span | None:
    """Return the secret in a value that follows a name, None if it is none.

    Args:
        data: the bytes of the document.
        name_at: where the name begins.
        start: where the value begins.
        stop: where it ends.
    """
    raw = NAME.match(data, name_at, start)
    if raw is None:
        return None
    if data[:name_at].endswith(b"::"):  # the name of a type
        return None
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", raw[0].decode("utf-8", "replace").replace("-", "_")).lower()
    gap = BETWEEN.sub(b":", data[raw.end() : start])
    if re.search(rb"\w", gap):
        return None
    if data[start - 1 : start] in (b"'", b'"', b"`") and data[stop : stop + 1] in (b"'", b'"', b"`", b"\\"):
        how = _quoted(data, name, name_at, gap, stop)
    else:
        how, start, stop = _bare(data, name, gap, start, stop)
    if not how:
        return None
    value = data[start:stop].decode("utf-8", "replace")
    scheme = SCHEME.match(value)
    if scheme:
        name, value, start = scheme[0].lower(), value[scheme.end() :], start + scheme.end()
    inner = DEFAULT.fullmatch(value)
    if inner:
        value, start = inner[1], start + len(value[: inner.start(1)].encode())
    value = ESCAPES.sub("", value)
    kind = _kind(name, value, how)
    return Span(kind, start, start + len(value.encode())) if kind else None


def _kind(name: str, value: str, classes: int) -> str:
    """Return what a value is under a name, "" if it is no secret; a password must have so many classes of letters."""
    if name.startswith("basic "):
        return "basic_auth" if _is_basic(value) else ""
    if name == "private_key_id" and re.fullmatch(r"[0-9a-f]{40}", value):
        return "gcp_key_id"
    if OTHER.search(name):
        return ""
    if PASSWORD.search(name):
        drawn = UUID.fullmatch(value) and not is_dummy(value)
        return "password" if drawn or is_password(value, at_least=classes) else ""
    if not KEY.search(name) and not re.search(r"(?:^|_)key$", name):
        return ""
    if UUID.fullmatch(value):
        return "key" if STRONG.search(name) and not is_dummy(value) else ""
    if re.search(r"aws|secret_?access_?key", name) and re.fullmatch(r"[A-Za-z0-9+/]{40}", value):
        return "aws_secret_key" if entropy(value) >= 4 and not is_dummy(value) else ""
    if not is_random(value, at_least=10 if "secret" in name else 16 if KEY.search(name) else 20):
        chosen = SECRET.search(name) and (is_signed_key(value) or _is_chosen(value))
        return "key" if chosen else ""
    if re.search(r"(?:account|shared_?access)_?key", name) and re.fullmatch(r"[A-Za-z0-9+/]{40,}=+", value):
        return "azure_key"
    return "key"


def _is_chosen(value: str) -> bool:
    """Whether a secret that is not drawn by chance is more than the name of something."""
    return len(value) >= 8 and is_password(value, at_least=3 if wordy(value) < 0.5 else 4)


def _quoted(data: bytes, name: str, name_at: int, gap: bytes, stop: int) -> int:
    """Return how many classes of letters a password in quotes must have to be one here; 0 if this is no value."""
    if b"==" not in gap and re.match(rb"['\"`]?\]?\s*(?::|=>|=(?!=))", data[stop : stop + 8]):
        return 0  # a key of a table itself
    if re.search(rb"\{\s*['\"`]$", gap):  # std::string password{"..."}
        return 2 if re.search(rb"\bstring\s+$", data[max(name_at - 20, 0) : name_at]) else 0
    if re.search(rb"[=:>|]", gap):
        return 2
    if b"," in gap:  # set("password", "..."), but no list
        before = data[max(name_at - NEAR, 0) : name_at].rpartition(b"\n")[2]
        return 3 if ARGUMENT.search(before) else 4 if re.search(rb"\(\s*['\"`][^()]*['\"`]$", before) else 0
    if b"(" in gap:  # set_password("...")
        return 2 if re.match(r"(?:set|with|put|add|use)_|(?:password|passwd|pwd|secret|api_?key|token)$", name) else 4
    told = data[:name_at].endswith(b"define ") or name.startswith(("__", "bearer", "basic"))
    return 2 if told or re.search(r"passw(?:or)?d$|^identified by$|key$|secret$|token$|string$", name) else 0


def _bare(data: bytes, name: str, gap: bytes, start: int, stop: int) -> tuple[int, int, int]:
    """Return (classes, start, stop) of a value without quotes, if it can be no expression; classes is 0 otherwise."""
    nothing = 0, start, stop
    before = data[max(start - NEAR, 0) : start].rpartition(b"\n")[2]
    rest = data[start : start + MAX_VALUE].partition(b"\n")[0].rstrip(b"\r")
    element = re.match(rb"[^<\n]+(?=</)", rest) if data[start - 1 : start] == b">" else None
    if element:
        return 2, start, start + len(element[0])
    whole = re.match(rb"\S*", rest)
    assert whole is not None
    tail = rest[whole.end() :].strip()
    constant = CONSTANT.search(before) is not None
    alone = not tail or tail.startswith((b"#", b"//"))
    if alone and SETTING.fullmatch(before) and not re.search(rb"[({\[]|[;,)]$|;\w+=", whole[0]):
        fine = (constant and not _call(whole[0])) or _drawn(whole[0]) or not _expression(whole[0])
        return (2, start, start + whole.end()) if fine else nothing
    if alone and COMMENT.match(before) and not _expression(whole[0]):
        return 3, start, start + whole.end()
    parted = re.match(rb"[^&;<]+", data[start:stop])
    if parted is None or data[stop : stop + 1] == b"(" or _call(parted[0]):
        return nothing
    value, stop = parted[0], start + parted.end()
    told = constant or name.startswith(("bearer", "basic"))
    told = told or any(expression.search(before) for expression in (FLAG, LIBPQ, PLACE, INVENTORY, CREATE))
    told = told or NETRC.search(data[max(start - NEAR, 0) : start]) is not None
    told = told or (FLOW.search(before) is not None and re.search(rb"[!#%^*~+]", value) is not None)
    told = told or bool(CONNECTION.search(before) and re.search(rb"['\"`;&?]", before))
    return (2, start, stop) if told or (re.search(rb"[=:]", gap) and _drawn(value)) else nothing


def _drawn(value: bytes) -> bool:
    text = value.decode("utf-8", "replace")
    return not _dotted(text) and (is_random(text, at_least=12) or UUID.fullmatch(text) is not None)


def _dotted(text: str) -> bool:
    """Whether this is a name in a module: `ed25519.Ed25519PrivateKey`."""
    return wordy(text) >= 0.3 and re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", text) is not None


def _expression(value: bytes) -> bool:
    """Whether a bare value may be a name, a number, a call or a sum in some language."""
    if re.fullmatch(rb"[&*!@$-]*[A-Za-z_][\w.:>-]*", value):
        text = value.decode("utf-8", "replace")
        chosen = turns(text) >= 0.25 and len(text) >= 8 and re.search(r"[0-9]", text)
        if _dotted(text):
            return True
        return not chosen and not re.fullmatch(r"[A-Za-z]{4,}[0-9]{2,}", text)
    return re.fullmatch(rb"[\d.,xXa-fA-F+-]+", value) is not None or _call(value)


def _call(value: bytes) -> bool:
    return re.search(rb"[(\[{]|->|::|&&|\|\||^\$", value) is not None


def _is_basic(value: str) -> bool:
    """Whether base64 holds `user:password` with a password that is one."""
    if not re.fullmatch(r"[A-Za-z0-9+/]{8,}={0,2}", value):
        return False
    try:
        user, colon, password = base64.b64decode(value + "=" * (-len(value) % 4)).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return bool(colon) and user.isprintable() and (is_password(password) or is_random(password))
