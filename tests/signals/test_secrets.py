"""Secrets: planted ones of every kind in real files, by hand, beside detect-secrets, and what must stay as it is."""

import ast
import importlib.util
import pickle
import re
import sysconfig
from collections import Counter
from pathlib import Path
from random import Random
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.corpus import Corpus, write_corpus
from curate.ledger import funnel, tell, why
from curate.run import run
from curate.signals.pii import ReplaceAddresses, find_addresses
from curate.signals.secret_formats import FORMATS, beginnings
from curate.signals.secret_shapes import is_password, is_random
from curate.signals.secrets import CODE_PRIVACY, ReplaceSecrets, Secrets
from curate.stage import Measure

HEX, MIXED, STRONG, SEASON = "9c1f4e7ab02d583e6f1a7c40d8b5e923", "q8Zt0vNf3LmYk2RwXs7JdP5h", "xK9#mP2vLq", "Winter2023"
UUID = "3f2b8c1e-9a47-4d60-b5e1-7c08fa92d431"


@pytest.fixture(scope="module")
def planted() -> ModuleType:
    """The generator of secrets: planted_secrets.py."""
    spec = importlib.util.spec_from_file_location("planted_secrets", Path(__file__).with_name("planted_secrets.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def batch(*texts: str | None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string()), "id": [str(i) for i in range(len(texts))]})


def replaced(*texts: str) -> list[str]:
    return ReplaceSecrets()(batch(*texts))["text"].to_pylist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'token = "ghp_{MIXED}{MIXED[:12]}"', 'token = "<KEY>"'),
        (f"export API_KEY={HEX}", "export API_KEY=KEY"),  # brackets would redirect
        (f"<password>{STRONG}</password>", "<password>PASSWORD</password>"),  # and here open a tag
        (f"DB_PASSWORD={STRONG}\r\nDEBUG=1\r\n", "DB_PASSWORD=PASSWORD\r\nDEBUG=1\r\n"),
        (f'dsn = "postgres://app:{SEASON}@db/x"', 'dsn = "postgres://app:<PASSWORD>@db/x"'),
        (f'é = 1; пароль_db_password = "{STRONG}" # ü', 'é = 1; пароль_db_password = "<PASSWORD>" # ü'),
        (f'{{"api_key": "{HEX}", "id": "{HEX}"}}', f'{{"api_key": "<KEY>", "id": "{HEX}"}}'),
        (f"headers = {{'Authorization': 'Bearer {MIXED}'}}", "headers = {'Authorization': 'Bearer <KEY>'}"),
        (f'x = "Server=db;Password={SEASON};Encrypt=1"', 'x = "Server=db;Password=<PASSWORD>;Encrypt=1"'),
    ],
)
def test_a_secret_is_replaced_and_nothing_around_it(text, expected):
    assert replaced(text) == [expected]


PLACES = {  # written for this test alone; the generator does not know them
    STRONG: """
spring.datasource.password={}
$db['password'] = '{}';
.password("{}")
Password: "{}",
@Value("${{db.password:{}}}")
docker login -u me -p {}
mysql -u root -p{} shop
redis-cli -a {}
--password {}
{{\\"password\\": \\"{}\\"}}
<property name="password" value="{}"/>
variable "db_password" {{\n  default = "{}"\n}}
{{"name": "DB_PASSWORD", "value": "{}"}}
redis.password: ${{REDIS:{}}}
auth=('admin', '{}')
char password[32] = "{}";
password = u'{}'
jwt_secret: "{}"
ConvertTo-SecureString "{}" -AsPlainText
CREATE USER 'a'@'%' IDENTIFIED BY '{}';
ALTER ROLE app WITH PASSWORD '{}';
sshpass -p '{}' ssh root@host
# password: {}
set PASSWORD={}""",
    SEASON: """
database.password: {}
docker run -e POSTGRES_PASSWORD={} postgres
--password={}
PASSWORD ?= {}
ENV A=1 DB_PASSWORD={} \\
login(user='me', pwd='{}')
mongodb+srv://app:{}@cluster0.net/x
machine github.com login me password {}
passwd: {}\r""",
    MIXED: """
curl -H "X-Api-Key: {}" https://x
https://api.host/v1?api_key={}&q=1
var apiKey string = "{}"
pub const API_KEY: &'static str = "{}";
let apiKey: String = "{}"
apiKey?: string = '{}'
$env:API_KEY = "{}"
APP_KEY=base64:{}pW3x9Kd0aQ==
Authorization: Bearer {}
<string name="api_key">{}</string>
<key>ApiKey</key>\n\t<string>{}</string>
//registry.npmjs.org/:_password={}
const string ApiKey = @"{}";
oauth_token='{}'
KEY={}""",
    HEX: """
service.api-key: {}
encryptionKey = b'{}'
secret: '{}'
SLACK_SIGNING_SECRET={}""",
    UUID: """
client_secret={}
HEROKU_API_KEY={}""",
}


@pytest.mark.parametrize("place", [(p, s) for s, lines in PLACES.items() for p in re.split(r"\n(?![ \t}])", lines)[1:]])
def test_secrets_are_found_in_the_places_of_many_languages(place):
    where, secret = place
    (text,) = replaced(f"first\n{where.format(secret)}\nlast\n")
    assert secret not in text
    assert text.startswith("first\n")
    assert text.endswith("\nlast\n")


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",  # Amazon's manuals; opens nothing, and a model should know it
        'aws_secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"',
        'api_key = "your-api-key-here"',
        'api_key = "YOUR_API_KEY"',
        'token = "xxxxxxxxxxxxxxxxxxxxxxxx"',
        'token = "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"',
        "OPENAI_API_KEY=sk-your-key-here-0000000000000000",
        'password = "changeme"',
        'password = "password123"',
        'password="test1234"',
        'password = "%(password)s"',
        'password = "${DB_PASSWORD}"',
        "password = settings.DB_PASSWORD_2",
        "password = get_password(user1)",
        "password: str = Field(min_length=8)",
        "Authorization: Bearer {access_token_1}",
        "http://user:password@example.com",
        "http://user:pass%20pass@host.com",
        "postgresql://scott:tiger@localhost/test",
        'url = f"https://{user}:{password1}@host"',
        f'"integrity": "sha512-{MIXED * 3}+Q=="',
        f'sha256 = "{HEX * 2}"',
        f'commit = "{HEX}12345678"',
        f'cache_key = "{HEX}"',
        f'token_id = "{HEX}"',
        f'public_key = "{MIXED * 2}"',
        f'uuid = "{UUID}"',
        f'token: "{UUID}"',  # so many tokens are no secrets; under api_key or secret a UUID is one
        f'    "requests": {{"hashes": ["sha256:{HEX * 2}"]}}',
        f'"data:image/png;base64,iVBORw0KGgo{MIXED * 9}="',
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7" + MIXED * 4 + " me@host",
        "-----BEGIN CERTIFICATE-----\nMIIC" + MIXED * 2 + "\n-----END CERTIFICATE-----",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        'head = "-----BEGIN RSA PRIVATE KEY-----" + join(lines_of_the_key) + "-----END RSA PRIVATE KEY-----"',
        "tokenizer = AutoTokenizer.from_pretrained('HuggingFaceTB/SmolLM2-135M')",
        "from transformers import AutoTokenizer, Qwen2ForCausalLM",
        "class OAuth2PasswordBearer(OAuth2PasswordRequestForm2):",
        'MovedAttribute("HTTPPasswordMgr", "urllib2")',
        "next_token = 'm1___0'",
        '"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="',
        'PASSED > "$result_file.status1"',
        "key=lambda item: item[1]",
        "secret=base64.b64encode(os.urandom(32))",
        "",
    ],
)
def test_placeholders_hashes_ids_and_expressions_stay(text):
    assert replaced(text) == [text]


def test_two_hundred_planted_secrets_do_not_survive_in_real_files_of_many_languages(planted, shared_data):
    table = pq.read_table(shared_data / "code/code.parquet", columns=["text", "language"])
    by_language: dict[str, list[str]] = {}
    for text, language in zip(*(table[name].to_pylist()[::7] for name in ("text", "language")), strict=True):
        by_language.setdefault(language, []).append(text)
    assert len(by_language) >= 10
    secrets = planted.secrets(seed=1, number=200)
    assert len({secret.kind for secret in secrets}) >= 15
    files = [Random(i).choice(by_language[sorted(by_language)[i % len(by_language)]]) for i in range(len(secrets))]
    texts = [
        inserted(text, secret.snippet, seed) for seed, (text, secret) in enumerate(zip(files, secrets, strict=True))
    ]
    for secret, text in zip(secrets, replaced(*texts), strict=True):
        assert not [part for part in secret.parts if part in text], secret


def inserted(text: str, snippet: str, seed: int) -> str:
    """Put a snippet between two lines of a file."""
    lines = text.splitlines(keepends=True)
    at = Random(seed).randint(0, len(lines))
    before = "".join(lines[:at])
    return before + ("" if before.endswith("\n") or not before else "\n") + snippet + "\n" + "".join(lines[at:])


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_others_do_not_survive_either_and_a_second_pass_finds_nothing(planted, seed):
    secrets = planted.secrets(seed=100 + seed, number=200)
    once = ReplaceSecrets()(batch(*(f"before\n{secret.snippet}\nafter\n" for secret in secrets)))
    survivors = [
        secret
        for secret, text in zip(secrets, once["text"].to_pylist(), strict=True)
        if any(p in text for p in secret.parts)
    ]
    assert survivors == []
    twice = ReplaceSecrets()(once)
    assert twice["text"].equals(once["text"])
    assert set(twice["secrets.keys"].to_pylist() + twice["secrets.passwords"].to_pylist()) == {0}


def test_the_ledger_shows_each_replacement_and_never_the_secret(planted, tmp_path):
    secrets = planted.secrets(seed=7, number=200)
    library = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = [inserted(library[i % len(library)].read_text(), s.snippet, i) for i, s in enumerate(secrets)]
    table = pa.table({"text": texts, "id": [f"file-{i:03}" for i in range(len(texts))]})
    write_corpus(tmp_path / "in", table.to_batches(max_chunksize=64))
    run(CODE_PRIVACY, Corpus(tmp_path / "in"), str(tmp_path / "out"))
    kept = Corpus(tmp_path / "out").table().to_pylist()
    shown = [line.step for line in funnel(str(tmp_path / "out"))]
    assert "ReplaceSecrets()" in shown  # its bytes changed, so it is a line of the funnel
    for row, text, secret in zip(kept, texts, secrets, strict=True):
        assert row["secrets.keys"] + row["secrets.passwords"] == len(row["secrets.found"]) > 0
        lines = text.split("\n")
        taken = [lines[f["line"] - 1][f["column"] - 1 :][: f["chars"]] for f in row["secrets.found"]]
        assert all(any(part.startswith(t[:8]) or t[:8] in part for t in taken) for part in secret.parts[:1])
        told = tell(why(row["id"], str(tmp_path / "out")))
        assert row["secrets.found"][0]["kind"] in told
        assert not any(part in told or part in str(row) for part in secret.parts)


def test_counts_and_places_by_hand():
    found = Secrets()(batch(f'# é\nx = 1; key = "AKIA{"QZ3RT7YUX5WDV2MN"}"\npassword: {STRONG}\n', None, "nothing"))
    assert found["secrets.keys"].to_pylist() == [1, None, 0]
    assert found["secrets.passwords"].to_pylist() == [1, None, 0]
    assert found["secrets.found"].to_pylist() == [
        [
            {"kind": "aws_access_key", "line": 2, "column": 15, "chars": 20},
            {"kind": "password", "line": 3, "column": 11, "chars": 10},
        ],
        None,
        [],
    ]
    text = f'# é\nx = 1; key = "AKIA{"QZ3RT7YUX5WDV2MN"}"\n'
    assert text.split("\n")[1][14:34] == "AKIAQZ3RT7YUX5WDV2MN"


def test_real_files_parse_as_before_and_are_left_alone_by_a_second_pass(shared_data):
    table = pq.read_table(shared_data / "code/code.parquet", columns=["text", "language"]).combine_chunks()
    changed, kinds = 0, Counter()
    for rows in table.take(pa.array(range(0, len(table), 4))).combine_chunks().to_batches(max_chunksize=2000):
        once = rows
        for stage in CODE_PRIVACY:
            once = stage(once)
        twice = once
        for stage in CODE_PRIVACY:
            twice = stage(twice)
        assert twice["text"].equals(once["text"])
        columns = (rows["text"], once["text"], rows["language"], once["secrets.found"])
        for old, new, language, found in zip(*(column.to_pylist() for column in columns), strict=True):
            kinds.update(place["kind"] for place in found)
            if old != new and language == "Python" and parses(old):
                changed += 1
                assert parses(new)
    assert changed > 50
    assert 5 <= kinds.total() <= 60  # clean code: a secret in some four hundred files


def parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_python_with_secrets_in_strings_parses_afterwards(planted):
    quotes = ["'", '"', '"""', "b'", "rf'"]
    for i, secret in enumerate(planted.secrets(seed=3, number=200)):
        quote = quotes[i % len(quotes)]
        if "\\" in secret.parts[0] or quote[-1] in secret.snippet or "\n" in secret.parts[0]:
            continue
        text = f"def f(x):\n    api_key = {quote}{secret.parts[0]}{quote.lstrip('brf')}\n    return x\n"
        if parses(text):
            assert parses(replaced(text)[0])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_document_is_judged_alone_in_any_slice_and_type(kind):
    texts = ["AKIA", f'key = "AKIA{"QZ3RT7YUX5WDV2MN"}"', None, "", f"é PASSWORD={STRONG}", '"', "x"]
    column = pa.array(["password = '", *texts], kind).slice(1)
    rows = ReplaceSecrets()(pa.RecordBatch.from_arrays([column], ["text"]))
    assert rows["text"].type == kind
    assert rows["text"].to_pylist() == ["AKIA", 'key = "<KEY>"', None, "", "é PASSWORD=PASSWORD", '"', "x"]
    rows["text"].validate(full=True)


def test_detect_secrets_finds_none_of_its_own_formats_in_what_is_left(planted):
    pytest.importorskip("detect_secrets")
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    own = (
        "AWS",
        "Artifactory",
        "Azure",
        "Basic Auth",
        "Discord",
        "GitHub",
        "GitLab",
        "JSON Web",
        "Mailchimp",
        "NPM",
        "OpenAI",
    )
    own += ("Private Key", "PyPI", "SendGrid", "Slack", "Square", "Stripe", "Telegram", "Twilio")
    plugins = [make() for name, make in get_mapping_from_secret_type_to_class().items() if name.startswith(own)]
    assert len(plugins) >= 15
    secrets = planted.secrets(seed=5, number=400)
    found = 0
    for secret, text in zip(secrets, replaced(*(secret.snippet for secret in secrets)), strict=True):
        for plugin in plugins:
            found += any(set(plugin.analyze_string(line)) for line in secret.snippet.splitlines())
            left = [value for line in text.splitlines() for value in plugin.analyze_string(line)]
            left = [value for value in left if value not in ("<PASSWORD>", "PASSWORD") and "PRIVATE KEY" not in value]
            assert left == [], secret
    assert found >= 150  # so the comparison says something


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_begins_as_the_scan_looks_for_it(kind):
    assert all(len(start) >= 2 for start in beginnings())
    assert all(re.compile(expression) for expression in FORMATS[kind])


pieces = st.sampled_from(
    [
        *"ab1-_ :=\n'\"é中{}<>&/@",
        "password",
        "api_key",
        "ghp_",
        "AKIA",
        "://",
        MIXED,
        HEX,
        STRONG,
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "value",
    ]
)


@given(st.lists(pieces, max_size=30).map("".join))
def test_any_text_keeps_all_that_lies_around_its_secrets(text):
    rows = ReplaceSecrets()(batch(text))
    (found,), (new,) = rows["secrets.found"].to_pylist(), rows["text"].to_pylist()
    lines, pieces_ = text.split("\n"), []
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    place = 0
    for secret in found:
        start = starts[secret["line"] - 1] + secret["column"] - 1
        pieces_.append(re.escape(text[place:start]))
        place = start + secret["chars"]
    pieces_.append(re.escape(text[place:]))
    assert re.fullmatch("<?(?:KEY|PASSWORD)>?".join(pieces_), new)


def test_a_long_argument_is_not_cut_amid_a_letter():
    assert replaced(f"curl -u admin:a{'é' * 80} https://host") == [f"curl -u admin:a{'é' * 80} https://host"]
    assert replaced("curl -u admin:é1éaéé! https://host") == ["curl -u admin:PASSWORD https://host"]


def test_long_lines_of_nothing_but_beginnings_take_no_time():
    for text in ('password="' * 20_000, "key=" * 50_000, "ghp_" * 50_000, "://a:" * 50_000, "AbC0+/" * 50_000):
        assert replaced(text) == [text]
    assert "aB3$xY9z" not in replaced('password="aB3$xY9z";' * 3_000)[0]


@pytest.mark.parametrize(
    ("text", "random"),
    [
        ("q8Zt0vNf3LmYk2RwXs7JdP5h", True),
        ("qlhnfBvamRcb14cqwKM7", True),
        (HEX, True),
        ("V+QiDRptZTc3w9JP5O4ag73mdqXiWi6wMCwxQpGa3nN=", True),
        ("CrtSigV4AsymQueryAuth", False),
        ("user_profile_v2_settings", False),
        ("OAuth1ServerRequestTokenHandler", False),
        ("projects/shop/secrets/database-1", False),
        ("2024-01-05T10:00:00", False),
        ("0123456789abcdef0123456789abcdef", False),
        ("short1A", False),
    ],
)
def test_chance_is_told_from_words(text, random):
    assert is_random(text) == random


def test_of_random_keys_nearly_all_look_random_and_of_random_passwords_all_look_chosen():
    random = Random(0)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    keys = ["".join(random.choices(letters, k=24)) for _ in range(2000)]
    assert sum(map(is_random, keys)) >= 0.99 * len(keys)
    passwords = ["".join(random.choices(letters + "!#$%&*", k=12)) for _ in range(2000)]
    assert sum(map(is_password, passwords)) >= 0.98 * len(passwords)


def test_settings_travel_and_are_names_of_their_own():
    stage = ReplaceSecrets(password="WORD")
    assert pickle.loads(pickle.dumps(stage)) == stage
    assert repr(ReplaceSecrets()) == "ReplaceSecrets()"
    assert repr(stage) == "ReplaceSecrets(key='KEY', password='WORD')"
    assert repr(Measure((Secrets(),))) == "Measure(Secrets())"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write(destination='a@q.com')", "write(destination='<mail>')"),
        ("author_email='me@host.dev',", "author_email='<mail>',"),
        ("git clone git@github.com:a/b.git", None),
        ("pip install git+https://github.com/a/b.git@v1.0.3", None),
        ("[doc](https://pkg.go.dev/k8s.io/kubelet@v0.33.0)", None),
        ('f"{info.subdomain}@ssh.host.space"', None),
        ("http://user:pass@www.host.org/", None),
        ("mail foo@example.com, x@y.invalid", None),  # RFC 2606
        ("id_at = ObjectIdentifier('2.5.29.35')  # section 4.1.2.1", None),
        ("Chrome/120.0.0.0 Safari/537.36", None),
        ("$Id: lgc.c,v 2.38.1.2 2011/03/18", None),
        ("nameserver 8.8.8.8, 208.67.222.222, 10.0.0.1", None),
        ('to = "spam\\u00e9joe@host.com"', 'to = "spam\\u00e9<mail>"'),
        ("Received: from 207.68.170.30 (x)", "Received: from <v4> (x)"),
        ("host = '2a00:1450:4001:81c::200e'", "host = '<v6>'"),
    ],
)
def test_addresses_in_code_by_hand(text, expected):
    stage = ReplaceAddresses(emails=("<mail>",), ipv4=("<v4>",), ipv6=("<v6>",), code=True)
    assert stage(batch(text))["text"].to_pylist() == [text if expected is None else expected]


@given(
    st.lists(st.sampled_from(["a@b.co", "'", "x=", "8.8.8.8", "77.88.99.1", "/", "git@h.io", " ", "1.2.3.4", "}"])).map(
        "".join
    )
)
def test_addresses_in_code_lie_within_those_of_prose(text):
    prose, code = find_addresses(pa.array([text])), find_addresses(pa.array([text]), code=True)
    spans = list(zip(prose.starts.tolist(), prose.stops.tolist(), strict=True))
    for start, stop in zip(code.starts.tolist(), code.stops.tolist(), strict=True):
        assert any(a <= start < stop == b for a, b in spans)


def test_addresses_of_code_tell_so_in_their_name():
    assert repr(ReplaceAddresses(code=True)) == "ReplaceAddresses(code=True)"
