"""Addresses in source code: what looks like one there is mostly a version, a package, an object identifier or a login.

    in_code(b"destination='a@q.com", b"", is_email=True)      13: the address begins after the quote
    in_code(b"2.5.29.35", b"", is_email=False)                -1: an object identifier

Of 690 public IP addresses by form in 23,220 real files more than half were section numbers, X.509 identifiers, CVS
revisions, versions of browsers and public DNS servers. They give themselves away by small numbers: of random addresses
99.3 % have two numbers of 32 or more, of these next to none. Replacing any of them, or the `name='` before an e-mail
address, would change what a program does. Reserved domains (RFC 2606) and public DNS servers belong to nobody and stay,
the latter as in StarCoder's data; so does `git@host`, which is how one clones.
"""

import ipaddress
import re

LOCAL = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9._%+-]*$")  # of RFC 5322's signs, those in use; others are a language's
DOMAIN = re.compile(rb"(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}$|\[[0-9.]+\]$")
RESERVED = re.compile(rb"(?:^|\.)(?:example\.(?:com|org|net)|example|test|invalid|localhost)$", re.IGNORECASE)
ESCAPE = re.compile(rb"u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[0-7]{1,3}|[a-z]")  # after a backslash in a string
LOGINS = {b"git", b"hg", b"svn", b"bzr"}
SMALL = 32  # two numbers of an IPv4 address are not below this
DNS = frozenset(  # Google, Cloudflare, Quad9, OpenDNS, Comodo, AdGuard, Alternate DNS: code names them as it does ports
    {
        *("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "149.112.112.112", "208.67.222.222", "208.67.220.220"),
        *("8.26.56.26", "8.20.247.20", "94.140.14.14", "94.140.15.15", "76.76.19.19", "76.223.122.150"),
        *(
            "2001:4860:4860::8888",
            "2001:4860:4860::8844",
            "2606:4700:4700::1111",
            "2606:4700:4700::1001",
            "2620:fe::fe",
        ),
    }
)


def in_code(address: bytes, before: bytes, *, is_email: bool) -> int:
    """Return where the personal address in what looks like one begins, -1 if there is none.

    Args:
        address: what was found.
        before: a few bytes before it in the text.
        is_email: an e-mail address; otherwise an IP address.
    """
    return _email(address, before) if is_email else 0 if _is_host(address.decode()) else -1


def _email(address: bytes, before: bytes) -> int:
    local, _, domain = address.rpartition(b"@")
    name = LOCAL.search(local)
    if name is None or not DOMAIN.match(domain) or RESERVED.search(domain) or name[0].lower() in LOGINS:
        return -1
    lead = before + local[: name.start()]
    if lead.endswith((b"/", b"}")) or re.search(rb"//[^\s/]*:$", lead):  # a path, a template, `user:password@`
        return -1
    escape = ESCAPE.match(name[0]) if lead.endswith(b"\\") else None
    return name.start() + (escape.end() if escape else 0)


def _is_host(address: str) -> bool:
    if address in DNS:
        return False
    parts = str(ipaddress.ip_address(address)).split(".")
    return len(parts) != 4 or sum(int(part) >= SMALL for part in parts) >= 2
