"""Duplicates by address: the same URL, however it is written.

    http://www.Example.com:80/a/index.html/?utm_source=x&b=2&a=1#top   ->   example.com/a/index.html?a=1&b=2

What is taken away, in this order: blanks around it, the fragment, the scheme and a user name, upper case in the host,
`www.`, the dot at its end, the port that the scheme implies (80, 443), parameters that only say who clicked where
(`TRACKING`), the order of the others, a `?` with nothing behind it, and slashes at the end of the path. What stays:
upper case in the path, percent signs as they are, other parameters, `m.` and other hosts. What is no URL stays as it
is. Two pages of one address may still differ if they were crawled at different times: this is for keeping one of them,
the best by the same key as for texts.

The steps are those that RFC 3986 (section 6.2) calls syntax- and scheme-based, and what crawlers' canonicalisers (SURT,
urlcanon) do beyond it; scheme and `www.` are theirs.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.dedup.exact import digests
from curate.dedup.shingles import text_buffers

TRACKING = (  # names of parameters, and beginnings of them that end in _
    "utm_", "hsa_", "mtm_", "pk_campaign", "pk_kwd", "mc_cid", "mc_eid", "_hsenc", "_hsmi", "_ga", "_gl", "gclid",
    "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "ttclid", "igshid", "li_fat_id",
    "mkt_tok", "vero_id", "oly_enc_id", "oly_anon_id", "s_cid", "spm", "phpsessid", "jsessionid", "sessionid",
)  # fmt: skip
HOST = r"(?P<host>\[[^\]]*\]|[^/?#:]*)(?::(?P<port>\d*))?"
ADDRESS = rf"^(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//(?:[^/?#@]*@)?{HOST}(?P<path>[^?]*)(?:\?(?P<query>.*))?$"
NO_HOST = r"^[A-Za-z][A-Za-z0-9+.\-]*:[^/0-9]"  # mailto:, urn:, data:
NAMES = "|".join(f"{re.escape(name)}[^=&]*" if name.endswith("_") else re.escape(name) for name in TRACKING)
TRACKED = rf"(?i)^(?:{NAMES})(?:=|$)"


def normalised_urls(urls: pa.Array) -> pa.Array:
    """Return (N,) string: each URL in the one form that all ways of writing it share; "" where there is none."""
    whole = pc.utf8_trim_whitespace(pc.fill_null(pc.cast(urls, pa.string()), ""))
    whole = pc.replace_substring_regex(whole, r"(?s)#.*$", "")
    bare = pc.invert(pc.or_(pc.match_substring(whole, "//"), pc.match_substring_regex(whole, NO_HOST)))
    parts = pc.extract_regex(pc.if_else(bare, pc.binary_join_element_wise("//", whole, ""), whole), ADDRESS)
    host, port, path, query = (pc.fill_null(pc.struct_field(parts, i), "") for i in range(4))
    host = pc.replace_substring_regex(pc.utf8_lower(host), r"^www\.|\.$", "")
    implied = pc.is_in(port, pa.array(["", "80", "443"]))
    host = pc.if_else(implied, host, pc.binary_join_element_wise(host, port, ":"))
    path = pc.utf8_rtrim(pc.replace_substring_regex(path, r"(?i);jsessionid=[^/?]*", ""), "/")
    address = pc.if_else(pc.is_null(parts), whole, pc.binary_join_element_wise(host, path, ""))
    return _with_query(address, query)


def url_hashes(urls: pa.Array) -> NDArray[np.uint64]:
    """Return (N, 2) uint64: 128 bits of the normalised URL, zeros where there is none."""
    normal = normalised_urls(urls)
    data, offsets = text_buffers(normal)
    found = digests(data[offsets[0] :], offsets[1:] - offsets[0]).copy()
    found[np.diff(offsets) == 0] = 0
    return found


def _with_query(address: pa.Array, query: pa.Array) -> pa.Array:
    """Append what is left of the queries, where something is."""
    rows = np.flatnonzero(pc.not_equal(query, "").to_numpy(zero_copy_only=False))
    if not len(rows):
        return address
    lists = pc.split_pattern_regex(query.take(pa.array(rows)), "[&;]")
    owner, parameter = pc.list_parent_indices(lists), pc.list_flatten(lists)
    stays = pc.invert(pc.or_(pc.match_substring_regex(parameter, TRACKED), pc.equal(parameter, "")))
    table = pa.table({"owner": owner.filter(stays), "parameter": parameter.filter(stays)})
    table = table.sort_by([("owner", "ascending"), ("parameter", "ascending")])
    owners = table["owner"].combine_chunks().to_numpy()
    counts = np.bincount(owners, minlength=len(rows))
    starts = np.concatenate([[0], np.cumsum(counts)])
    joined = pc.binary_join(pa.ListArray.from_arrays(starts, table["parameter"].combine_chunks()), "&")
    ends = pc.if_else(pc.not_equal(joined, ""), pc.binary_join_element_wise("?", joined, ""), "")
    place = np.full(len(address), -1)
    place[rows] = np.arange(len(rows))
    ends = pc.fill_null(ends.take(pa.array(place, mask=place < 0)), "")
    return pc.binary_join_element_wise(address, ends, "")
