"""What tokens and keys look like that tell by themselves what they are: one line of facts for each kind.

    for kind, start, stop in tokens(data, place, low, high): ...

Lengths and letters are those that the services publish or that gitleaks, TruffleHog and detect-secrets have gathered
(2026); where they differ, the more general is taken, since a placeholder of the right beginning is told by its letters
(`curate.signals.secret_shapes`), not by its length. Identifiers that are no secret by themselves (Stripe's pk_, an AWS
account) are not here; Twilio's account SID is, as in detect-secrets.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from functools import cache

from curate.signals.secret_shapes import is_dummy

# What a token begins with, in which no word of a placeholder is looked for.
LEAD = re.compile(r"[A-Za-z0-9]{2,8}[-_](?:(?:live|test|prod|proj|secret|admin|svcacct)[-_])?")
SIGNS = (b"+", b"/")
STOP = rb"(?![A-Za-z0-9_-])"
# kind -> expressions, each from the first letter of a token; the letters before the first special one find it
FORMATS: dict[str, tuple[str, ...]] = {
    "aws_access_key": (r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}", r"ABSK[A-Za-z0-9+/]{109,269}={0,2}"),
    "aws_session_token": (r"(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[A-Za-z0-9+/=]{80,}",),
    "alibaba_key": (r"LTAI[A-Za-z0-9]{12,24}",),
    "github_token": (r"gh[pousr]_[A-Za-z0-9]{30,255}", r"github_pat_[A-Za-z0-9]{20,24}_?[A-Za-z0-9_]{50,62}"),
    "gitlab_token": (
        r"gl(?:pat|ptt|dt|rt|rtr|soat|ft|oas|imt|ffct|agent)-[\w-]{20,300}(?:\.[0-9a-z]{2}\.?[0-9a-z]{7})?",
        r"glcbt-[0-9A-Za-z]{1,5}_[\w-]{20,}",
        r"GR1348941[\w-]{20}",
    ),
    "slack_token": (r"xox[abeoprs]-(?=[\w-]*\d)[\w-]{10,250}", r"xapp-\d-[\w-]{20,}"),
    "stripe_key": (r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{16,247}", r"whsec_[A-Za-z0-9+/]{24,}={0,2}"),
    "google_key": (r"AIza[\w-]{35}", r"GOCSPX-[\w-]{24,32}", r"ya29\.[\w-]{20,}"),
    "npm_token": (r"npm_[A-Za-z0-9]{36}",),
    "pypi_token": (r"pypi-[A-Za-z0-9_-]{50,}",),
    "anthropic_key": (r"sk-ant-[\w-]{20,}",),
    "openai_key": (
        r"sk-(?:proj|svcacct|admin|None|or-v1|lf)-[\w-]{20,}",
        r"sk-[A-Za-z0-9]{20,}",
    ),
    "hugging_face_token": (r"hf_[A-Za-z0-9]{26,40}", r"api_org_[A-Za-z0-9]{34}"),
    "model_service_key": (
        r"gsk_[A-Za-z0-9]{40,}",  # Groq
        r"xai-[A-Za-z0-9]{60,}",
        r"pplx-[A-Za-z0-9]{40,}",
        r"r8_[A-Za-z0-9]{36,40}",  # Replicate
        r"nvapi-[\w-]{60,}",
        r"tvly-[\w-]{20,}",
        r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}",
        r"pcsk_[A-Za-z0-9_]{40,}",  # Pinecone
        r"fw_[A-Za-z0-9]{22,24}",
    ),
    "jwt": (r"eyJ[\w-]{10,}\.[\w-]{4,}\.[\w-]{16,}(?:\.[\w-]+){0,2}",),
    "twilio_key": (r"(?:SK|AC)[0-9a-f]{32}",),
    "sendgrid_key": (r"SG\.[\w-]{16,32}\.[\w-]{16,64}",),
    "mailgun_key": (r"key-[0-9a-f]{32}",),
    "mailchimp_key": (r"[0-9a-f]{32}-us[0-9]{1,2}",),
    "sendinblue_key": (r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}", r"xsmtpsib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    "telegram_token": (r"(?<=:)AA?[\w-]{33,34}",),
    "firebase_key": (r"(?<=:)APA91b[\w-]{120,180}",),
    "discord_token": (r"[MNO][\w-]{22,29}\.[\w-]{6}\.[\w-]{27,40}",),
    "digitalocean_token": (r"do[opr]_v1_[0-9a-f]{64}",),
    "square_token": (r"sq0(?:atp|csp|idb|idp)-[\w-]{22,60}", r"EAAA[\w-]{56,60}"),
    "facebook_token": (r"EAA[A-Za-z0-9]{100,}",),
    "shopify_token": (r"shp(?:at|ca|pa|ss|ua)_[0-9a-fA-F]{32}",),
    "terraform_token": (r"atlasv1\.[\w=-]{60,70}",),
    "vault_token": (r"hv[sbr]\.[\w-]{24,300}",),
    "azure_client_secret": (r"[A-Za-z0-9_.~-]{31,34}",),
    "databricks_token": (r"dapi[0-9a-f]{32}(?:-\d)?", r"dose[0-9a-f]{32}"),
    "docker_token": (r"dckr_(?:pat|oat)_[\w-]{24,}",),
    "atlassian_token": (r"ATATT3[A-Za-z0-9_=-]{100,}", r"ATBB[A-Za-z0-9]{24,}", r"ATCTT3[A-Za-z0-9_=-]{100,}"),
    "heroku_key": (r"HRKU-[A-Za-z0-9_-]{36,60}",),
    "new_relic_key": (r"NR(?:AK|RA|IQ|JS|II|AA)-[A-Za-z0-9-]{19,40}",),
    "grafana_token": (r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}", r"glc_[A-Za-z0-9+/]{32,}={0,2}"),
    "sentry_token": (r"sntrys_[A-Za-z0-9+/=_-]{40,}", r"sntryu_[0-9a-f]{64}"),
    "artifactory_key": (r"AKCp[A-Za-z0-9]{60,}", r"cmVmd[A-Za-z0-9]{59}"),
    "age_key": (r"AGE-SECRET-KEY-1[0-9A-Z]{58}",),
    "one_password_token": (r"ops_eyJ[A-Za-z0-9+/=_-]{100,}", r"A3-[A-Z0-9]{6}-[A-Z0-9]{6,11}(?:-[A-Z0-9]{5}){3,4}"),
    "dynatrace_token": (r"dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}",),
    "doppler_token": (r"dp\.(?:pt|st|ct|sa)\.[\w.-]{40,60}",),
    "service_token": (  # of services with a beginning of their own
        r"lin_api_[A-Za-z0-9]{32,}",
        r"ntn_[A-Za-z0-9]{40,}",
        r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}",
        r"pul-[0-9a-f]{40}",
        r"pscale_(?:tkn|pw|oauth)_[\w.=-]{32,}",
        r"rubygems_[0-9a-f]{48}",
        r"shippo_(?:live|test)_[0-9a-f]{40}",
        r"figd_[\w-]{36,}",
        r"fo1_[\w-]{43}",
        r"fm[12][ar]?_[A-Za-z0-9+/=]{80,}",
        r"CLOJARS_[0-9a-f]{60}",
        r"AQVN[\w-]{35,38}",
        r"y0_[\w-]{50,}",
        r"API-[A-Z0-9]{26,30}",
        r"CCIPAT_[A-Za-z0-9]{20,24}_[0-9a-f]{40}",
        r"nfp_[A-Za-z0-9]{36,}",
        r"rdme_[a-z0-9]{70}",
        r"duffel_(?:test|live)_[\w=-]{43}",
        r"fio-u-[\w=-]{64}",
        r"tfp_[\w.=-]{44,59}",
        r"pnu_[A-Za-z0-9]{36}",
        r"tk-us-[\w-]{48}",
        r"p8e-[A-Za-z0-9]{32}",
        r"sbp_[0-9a-f]{40}",
        r"sb_secret_[\w-]{20,}",
        r"EZ[AT]K[A-Za-z0-9]{54}",
        r"FLWSECK(?:_TEST)?-[0-9a-fA-F]{32}-X",
        r"CFPAT-[\w-]{43}",
        r"sq[upa]_[0-9a-f]{40}",
        r"phx_[A-Za-z0-9]{40,}",
        r"sgp_(?:[0-9a-fA-F]{16}_|local_)?[0-9a-fA-F]{40}",
        r"ddp_[A-Za-z0-9]{36}",
        r"bk[ua]a_[0-9a-f]{40}",
        r"live_[A-Za-z0-9_-]{40}",
        r"ico-[A-Za-z0-9]{32}",
        r"s-s4t2(?:ud|af)-[0-9a-f]{64}",
        r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,24}",
    ),
}
ENDS = ("SG.", "ya29.", "hvs.", "hvb.", "hvr.", "atlasv1.", "dp.pt.", "dp.st.")  # the run follows the dot
# Found by their shape, not by a beginning.
SHAPED = ("telegram_token", "firebase_key", "discord_token", "mailchimp_key", "azure_client_secret")


@cache
def beginnings() -> tuple[str, ...]:
    """Return what the tokens of FORMATS begin with, as many letters as are the same in all tokens of an expression."""
    found: dict[str, None] = {}
    for kind, expressions in FORMATS.items():
        if kind not in SHAPED:
            found |= dict.fromkeys(start for e in expressions for start in _starts(e) if not start.endswith("."))
    return tuple(found)


def _starts(expression: str) -> list[str]:
    """Return the literal beginnings of an expression: `gh[po]_x+` gives ghp_ and gho_."""
    starts, rest = [""], expression
    while rest:
        choice = re.match(r"\(\?:([\w|-]+)\)(?!\?)|\[([a-z]{2,12}|[A-Z]{2}|12)\](?![{?*+])|\\?([\w.-])(?![{?*+])", rest)
        if choice is None or rest.startswith((r"\d", r"\w")):
            break
        options = choice[1].split("|") if choice[1] else list(choice[2] or choice[3])
        starts = [start + option for start in starts for option in options]
        rest = rest[choice.end() :]
    assert all(len(start) >= 2 for start in starts), expression
    return starts


@cache
def _by_pair() -> dict[bytes, list[tuple[str, re.Pattern[bytes]]]]:
    """Return the expressions by the first two bytes of what they find."""
    found: dict[bytes, list[tuple[str, re.Pattern[bytes]]]] = {}
    for kind, expressions in FORMATS.items():
        for expression in () if kind in SHAPED else expressions:
            for pair in {start[:2].encode() for start in _starts(expression)}:
                found.setdefault(pair, []).append((kind, re.compile(expression.encode() + STOP, re.ASCII)))
    return found


@cache
def _shaped() -> list[tuple[str, re.Pattern[bytes]]]:
    return [(kind, re.compile(e.encode() + STOP, re.ASCII)) for kind in SHAPED for e in FORMATS[kind]]


def tokens(data: bytes, place: int) -> Iterator[tuple[str, int, int]]:
    """Yield the token that begins at a place, if it is no placeholder: kind, first byte, one past the last."""
    for kind, expression in (*_by_pair().get(data[place : place + 2], ()), *_shaped()):
        match = expression.match(data, place)
        if match is None:
            continue
        start, stop = _whole(kind, data, *match.span())
        if start >= 0 and not is_dummy(LEAD.sub("", data[start:stop].decode("ascii"))):
            yield kind, start, stop
            return


def _whole(kind: str, data: bytes, start: int, stop: int) -> tuple[int, int]:
    """Return the whole of a token, of which a part is before the run that was found; (-1, -1) if it is none."""
    before = data[max(start - 20, 0) : start]
    if before[-1:] in SIGNS and data[stop : stop + 1] in SIGNS:  # amid base64
        return -1, -1
    if kind == "jwt" and not _is_jwt(data[start:stop]):
        return -1, -1
    if kind == "openai_key" and not re.search(rb"\d", data[start:stop]):
        return -1, -1
    found: re.Match[bytes] | None = None
    if kind == "telegram_token":
        found = re.search(rb"(?:(?<=\\[nrt])|(?<![0-9A-Za-z])|(?<=/bot))[0-9]{5,16}:$", before)
    elif kind == "firebase_key":
        found = re.search(rb"(?<![\w-])[\w-]{11}:$", before)
    elif kind == "terraform_token":
        found = re.search(rb"(?:(?<=\\[nrt])|(?<![0-9A-Za-z]))[0-9A-Za-z]{14}\.$", before)
    elif kind == "azure_client_secret":
        found = re.search(rb"(?<![\w.~-])[\w.~-]{3}\dQ~$", before)
    else:
        return start, stop
    return (start - len(found[0]), stop) if found else (-1, -1)


def _is_jwt(token: bytes) -> bool:
    """Whether the first part is the header of a signed or sealed token."""
    head = token.split(b".")[0]
    try:
        found = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(found, dict) and "alg" in found
