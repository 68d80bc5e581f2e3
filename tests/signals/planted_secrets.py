"""Secrets as people leave them in files: made from a seed after each service's published format, in its usual places.

    for planted in secrets(seed=0, number=200):
        planted.kind, planted.snippet, planted.parts      # no part may be found in the text afterwards

Checksums are right where a format has one (GitHub and npm: CRC-32 in base 62; PGP: CRC-24; JWT: the signature). Names,
quotes, comments, ends of lines and languages vary. None of these keys was ever given out by anyone.
"""

import base64
import hashlib
import hmac
import json
import string
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

HEX = "0123456789abcdef"
ALNUM = string.ascii_letters + string.digits
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
BASE64 = ALNUM + "+/"
URLSAFE = ALNUM + "-_"
AWS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class Planted:
    """One secret in a few lines of a file."""

    kind: str
    language: str
    snippet: str
    parts: tuple[str, ...]  # what must not survive: the secret, or each line of a key of several


def draw(random: Random, letters: str, size: int) -> str:
    return "".join(random.choices(letters, k=size))


def base62(number: int, size: int) -> str:
    found = ""
    while number:
        number, digit = divmod(number, 62)
        found = BASE62[digit] + found
    return found.rjust(size, "0")


def checked(random: Random, prefix: str) -> str:
    """Thirty characters and their CRC-32 in base 62, as GitHub and npm make tokens since 2021."""
    body = draw(random, ALNUM, 30)
    return f"{prefix}{body}{base62(zlib.crc32(body.encode()), 6)}"


def jwt(random: Random) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}, separators=(",", ":")).encode())
    body = part(json.dumps({"sub": draw(random, string.digits, 10), "exp": random.randrange(2**31)}).encode())
    signature = hmac.new(draw(random, ALNUM, 32).encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{part(signature)}"


def discord(random: Random) -> str:
    user = base64.b64encode(draw(random, "123456789", 18).encode()).decode()
    return f"{user}.{draw(random, URLSAFE, 6)}.{draw(random, URLSAFE, 27)}"


def pypi(random: Random) -> str:
    """A macaroon (version 2) whose location is pypi.org."""
    body = bytes([2, 1, 8]) + b"pypi.org" + bytes([2, 100]) + random.randbytes(100) + b"\0\0" + b"\6\x20"
    return "pypi-" + base64.urlsafe_b64encode(body + random.randbytes(32)).decode().rstrip("=")


def password(random: Random) -> str:
    """Ten to twenty characters of at least three classes, without those that end a string or a URL."""
    size = random.randint(10, 20)
    letters = ALNUM + "!#%^*_-+." * 2
    while True:
        found = random.choice(string.ascii_letters) + draw(random, letters, size - 2) + random.choice(ALNUM)
        if any(c.isdigit() for c in found) and any(c.isupper() for c in found) and any(c.islower() for c in found):
            return found


def url_password(random: Random) -> str:
    return draw(random, ALNUM, random.randint(8, 18)) + random.choice(string.digits) + random.choice("aBcD")


TOKENS: dict[str, Callable[[Random], str]] = {  # known by themselves: what they are is written in them
    "aws access key": lambda r: r.choice(["AKIA", "ASIA"]) + draw(r, AWS, 16),
    "github token": lambda r: checked(r, r.choice(["ghp_", "gho_", "ghs_", "ghu_"])),
    "github fine-grained token": lambda r: f"github_pat_{draw(r, ALNUM, 22)}_{draw(r, ALNUM, 59)}",
    "gitlab token": lambda r: "glpat-" + draw(r, URLSAFE, 20),
    "slack token": lambda r: (
        f"xox{r.choice('bp')}-{draw(r, string.digits, 12)}-{draw(r, string.digits, 13)}-{draw(r, ALNUM, 24)}"
    ),
    "stripe key": lambda r: r.choice(["sk_live_", "rk_live_", "sk_test_"]) + draw(r, ALNUM, r.choice([24, 99])),
    "google api key": lambda r: "AIza" + draw(r, URLSAFE, 35),
    "npm token": lambda r: checked(r, "npm_"),
    "pypi token": pypi,
    "openai key": lambda r: f"sk-{draw(r, ALNUM, 20)}T3BlbkFJ{draw(r, ALNUM, 20)}",
    "openai project key": lambda r: f"sk-proj-{draw(r, URLSAFE, 74)}T3BlbkFJ{draw(r, URLSAFE, 74)}",
    "anthropic key": lambda r: f"sk-ant-api03-{draw(r, URLSAFE, 93)}AA",
    "hugging face token": lambda r: "hf_" + draw(r, string.ascii_letters, 34),
    "jwt": jwt,
    "twilio key": lambda r: "SK" + draw(r, HEX, 32),
    "sendgrid key": lambda r: f"SG.{draw(r, URLSAFE, 22)}.{draw(r, URLSAFE, 43)}",
    "mailgun key": lambda r: "key-" + draw(r, HEX, 32),
    "telegram token": lambda r: f"{draw(r, '123456789', 10)}:AA{draw(r, URLSAFE, 33)}",
    "discord token": discord,
    "digitalocean token": lambda r: "dop_v1_" + draw(r, HEX, 64),
    "square token": lambda r: "sq0atp-" + draw(r, URLSAFE, 22),
    "shopify token": lambda r: "shpat_" + draw(r, HEX, 32),
    "terraform token": lambda r: f"{draw(r, ALNUM, 14)}.atlasv1.{draw(r, URLSAFE, 67)}",
    "vault token": lambda r: "hvs." + draw(r, URLSAFE, 95),
    "slack webhook": lambda r: (
        f"https://hooks.slack.com/services/T{draw(r, AWS, 8)}/B{draw(r, AWS, 8)}/{draw(r, ALNUM, 24)}"
    ),
    "discord webhook": lambda r: f"https://discord.com/api/webhooks/{draw(r, '123456789', 18)}/{draw(r, URLSAFE, 68)}",
}
NAMED: dict[str, tuple[tuple[str, ...], Callable[[Random], str]]] = {  # known by the name before them
    "aws secret key": (("aws_secret_access_key", "secret_access_key"), lambda r: draw(r, BASE64, 40)),
    "twilio auth token": (("twilio_auth_token", "auth_token"), lambda r: draw(r, HEX, 32)),
    "hex key": (
        ("api_key", "secret_key", "app_secret", "encryption_key"),
        lambda r: draw(r, HEX, r.choice([32, 40, 64])),
    ),
    "base64 key": (
        ("client_secret", "signing_key", "access_token", "session_secret"),
        lambda r: draw(r, BASE64, 43) + "=",
    ),
    "mixed key": (("api_token", "apikey", "auth_key"), lambda r: draw(r, ALNUM, r.choice([20, 24, 32]))),
    "heroku key": (
        ("heroku_api_key",),
        lambda r: "-".join(draw(r, HEX, size) for size in (8, 4, 4, 4, 12)),
    ),
    "password": (("password", "db_password", "passwd", "smtp_pwd", "admin_password", "passphrase"), password),
}
PLACES: dict[str, tuple[str, ...]] = {  # N: the name as a constant, n: snake_case, c: camelCase, s: the secret
    "env": ("{N}={s}", 'export {N}="{s}"', "{N}='{s}'", "# {n}\n{N}={s}"),
    "YAML": ("{n}: {s}", '  {c}: "{s}"', "    - {N}={s}", "- name: {N}\n  value: '{s}'"),
    "JSON": ('{{\n  "{c}": "{s}",\n  "région": "été"\n}}', '{{"{n}":"{s}"}}'),
    "Python": (
        '{N} = "{s}"',
        "os.environ['{N}'] = '{s}'",
        'client = Client({n}="{s}", retries=3)',
        '{n} = os.getenv("{N}", "{s}")',
        '# наш ключ: {n} = "{s}"',
    ),
    "JavaScript": (
        "const {c} = '{s}';",
        "module.exports = {{ {c}: `{s}` }};",
        'const {c} = process.env.{N} || "{s}";',
        '// {c}: "{s}"',
    ),
    "TypeScript": ("private readonly {c}: string = '{s}';",),
    "Go": ('{c} := "{s}"', 'os.Setenv("{N}", "{s}")', 'const {c} = "{s}" // 生产'),
    "Shell": ("export {N}={s}", 'curl --{n} "{s}" https://localhost/', "{N}='{s}' ./run.sh"),
    "Java": ('private static final String {N} = "{s}";', 'properties.setProperty("{n}", "{s}");'),
    "PHP": ("define('{N}', '{s}');", "'{n}' => '{s}',"),
    "Ruby": ("{n}: '{s}',", 'ENV["{N}"] ||= "{s}"'),
    "C": ('#define {N} "{s}"', 'static const char *{n} = "{s}";'),
    "C#": ('public const string {N} = "{s}";',),
    "Rust": ('let {n} = "{s}";', 'const {N}: &str = "{s}";'),
    "INI": ("{n} = {s}", "{n}={s}"),
    "XML": ("<{n}>{s}</{n}>", '<add key="{n}" value="{s}" />'),
    "Dockerfile": ("ENV {N}={s}", "ENV {N} {s}"),
}
BARE = (  # for what is known by itself
    "# remember to rotate {s} before the release",
    'headers = {{"Authorization": "Bearer {s}"}}',
    "call({s!r}, 3)",
    "/* {s} */",
    'log.info("using\\n{s}\\n")',
    "deploy --with {s}",
)
USERS = ("deploy", "svc_app", "root", "maria")
URLS = (
    "postgres://{u}:{s}@db.internal:5432/app",
    "postgresql+psycopg2://{u}:{s}@10.0.0.5/app?sslmode=require",
    "mysql://{u}:{s}@mysql.prod.svc/shop",
    "mongodb+srv://{u}:{s}@cluster0.ab1cd.mongodb.net/x",
    "redis://:{s}@cache.internal:6379/0",
    "amqp://{u}:{s}@mq:5672/%2F",
    "https://{u}:{s}@git.corp.net/team/app.git",
    "ftp://{u}:{s}@files.corp.net/",
)
STRINGS = (
    "Server=tcp:sql.corp.net,1433;Database=app;User ID={u};Password={s};Encrypt=True;",
    "host=db.corp.net user={u} password={s} dbname=app",
    "jdbc:mysql://db:3306/app?user={u}&password={s}",
    "DefaultEndpointsProtocol=https;AccountName=store;AccountKey={k};EndpointSuffix=core.windows.net",
    "Endpoint=sb://bus.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={k2}",
)
WRITTEN = ('url = "{s}"', "DATABASE_URL={s}", 'dsn: "{s}"', "const dsn = '{s}';", "  - {s}", '"uri": "{s}",')


def secrets(seed: int, number: int) -> list[Planted]:
    """Return secrets of all kinds in turn."""
    random = Random(seed)
    makers: list[Callable[[Random], Planted]] = [
        *(lambda r, kind=kind: token(r, kind) for kind in TOKENS),
        *(lambda r, kind=kind: named(r, kind) for kind in NAMED),
        url,
        connection,
        *(lambda r, kind=kind: block(r, kind) for kind in ("RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PRIVATE KEY")),
        pgp,
        service_account,
    ]
    return [makers[i % len(makers)](random) for i in range(number)]


def filled(place: str, name: str, secret: str) -> str:
    words = name.split("_")
    camel = words[0] + "".join(word.capitalize() for word in words[1:])
    return place.format(N=name.upper(), n=name, c=camel, s=secret)


def token(random: Random, kind: str) -> Planted:
    secret = TOKENS[kind](random)
    if random.random() < 0.3:
        return Planted(kind, "any", random.choice(BARE).format(s=secret), (secret,))
    language = random.choice(list(PLACES))
    name = random.choice(["value", "service_token", "thing", "x"])
    return Planted(kind, language, filled(random.choice(PLACES[language]), name, secret), (secret,))


def named(random: Random, kind: str) -> Planted:
    names, make = NAMED[kind]
    language, secret = random.choice(list(PLACES)), make(random)
    return Planted(kind, language, filled(random.choice(PLACES[language]), random.choice(names), secret), (secret,))


def url(random: Random) -> Planted:
    secret = url_password(random)
    text = random.choice(URLS).format(u=random.choice(USERS), s=secret)
    return Planted("password in a URL", "any", random.choice(WRITTEN).format(s=text), (secret,))


def connection(random: Random) -> Planted:
    values = {"s": url_password(random), "k": draw(random, BASE64, 86) + "==", "k2": draw(random, BASE64, 43) + "="}
    place = random.choice(STRINGS)
    secret = next(value for key, value in values.items() if f"{{{key}}}" in place)
    text = place.format(u=random.choice(USERS), **values)
    return Planted("connection string", "any", random.choice(WRITTEN[:3]).format(s=text), (secret,))


def lines_of_key(random: Random, kind: str) -> list[str]:
    first = b"openssh-key-v1\0" if kind.startswith("OPENSSH") else b"\x30\x82\x04\xa3\x02\x01\x00\x02\x82\x01\x01\x00"
    body = base64.b64encode(first + random.randbytes(random.randint(600, 1200))).decode()
    size = 70 if kind.startswith("OPENSSH") else 64
    return [body[i : i + size] for i in range(0, len(body), size)]


def block(random: Random, kind: str) -> Planted:
    lines = lines_of_key(random, kind)
    whole = [f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----"]
    places = (
        lambda: "\n".join(whole),
        lambda: "\r\n".join(whole),
        lambda: 'KEY = """' + "\n".join(whole) + '\n"""',
        lambda: "tls:\n  key: |\n" + "\n".join("    " + line for line in whole),
        lambda: '{"key": "' + "\\n".join(whole) + '\\n"}',
        lambda: "String k =\n" + " +\n".join(f'    "{line}\\n"' for line in whole) + ";",
        lambda: "\n".join(f"# {line}" for line in whole),
        lambda: "export TLS_KEY='" + "\n".join(whole) + "'",
    )
    return Planted(kind.lower(), "any", random.choice(places)(), tuple(line for line in lines if len(line) > 16))


def pgp(random: Random) -> Planted:
    body = b"\x95\x03\x98\x04" + random.randbytes(900)
    crc = 0xB704CE
    for byte in body:
        crc ^= byte << 16
        for _ in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    text = base64.b64encode(body).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    check = "=" + base64.b64encode((crc & 0xFFFFFF).to_bytes(3, "big")).decode()
    head, tail = ("-----" + side + " PGP PRIVATE KEY BLOCK-----" for side in ("BEGIN", "END"))
    whole = [head, "Version: GnuPG v2", "", *lines, check, tail]
    return Planted("pgp private key", "any", "\n".join(whole), tuple(line for line in lines if len(line) > 16))


def service_account(random: Random) -> Planted:
    lines, identity = lines_of_key(random, "PRIVATE KEY"), draw(random, HEX, 40)
    pem = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])
    account = {"type": "service_account", "project_id": "shop", "private_key_id": identity, "private_key": pem}
    parts = (identity, *(line for line in lines if len(line) > 16))
    return Planted("gcp service account", "JSON", json.dumps(account, indent=random.choice([None, 2])), parts)
