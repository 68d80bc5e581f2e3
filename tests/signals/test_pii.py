"""E-mail and public IP addresses: by hand, beside datatrove's expressions, and on odd documents."""

import ipaddress
import pickle
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.signals.pii import EMAIL, EMAILS, IPV4S, Addresses, ReplaceAddresses, find_addresses, is_public

MARKED = ReplaceAddresses(emails=("<mail>",), ipv4=("<v4>",), ipv6=("<v6>",))


def batch(*texts: str | None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string()), "id": [str(i) for i in range(len(texts))]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to me.you+x@foo.bar-baz.com.", "write to <mail>."),
        ("a@b", "a@b"),  # no dot, no domain
        ("été@x.com t@x.com", "été@x.com <mail>"),  # a letter before it is part of the name, which must be ASCII
        ("<a@b.co>,c_d@e.co.uk;", "<<mail>>,<mail>;"),
        (".a..b@x.com", ".a..<mail>"),
        ("a@b.c@d.e", "<mail>@d.e"),
        ("foo@a.b-.c", "<mail>-.c"),
        ("me@[8.8.8.8]", "<mail>"),
        (f"{'x' * 64}@foo.com {'x' * 65}@foo.com", f"<mail> {'x' * 65}@foo.com"),  # RFC 5321
        ("8.8.8.8, (8.8.4.4) http://8.8.8.8:80/", "<v4>, (<v4>) http://<v4>:80/"),
        ("ends with 8.8.8.8.", "ends with <v4>."),
        ("10.0.0.1 127.0.0.1 192.168.1.1 169.254.0.1 192.0.2.7 0.0.0.0", None),  # private, local, documentation
        ("8.8.8.8.8 8.8.8.800 v8.8.8.8 8.8.8.8rc1 1.8.8.8.8", None),  # numbers and versions
        ("256.8.8.8 8.8.08.8 8.8.8", None),
        ("ip4:64.142.3.173", "ip4:<v4>"),
        ("2a00:1450:4001:81c::200e, [2606:4700::1111]:443", "<v6>, [<v6>]:443"),
        ("see 2a00:1450:4001:81c::200e: it", "see <v6>: it"),
        ("2001:db8::1 fe80::1:2:3 ::1 fc00::1:2:3", None),  # documentation, link, loopback, unique local
        ("std::a::b x[2000::2] in 2019:: at 12:34:56 00:1b:44:11:3a:b7", None),  # C++, a slice, prose, a clock, a MAC
        ("", ""),
    ],
)
def test_addresses_by_hand(text, expected):
    assert MARKED(batch(text))["text"].to_pylist() == [text if expected is None else expected]


def test_counts_stand_beside_the_text_and_a_missing_text_is_not_counted():
    rows = batch("a@b.co 8.8.8.8 c@d.co", None, "nothing")
    found = Addresses()(rows)
    assert found["pii.emails"].to_pylist() == [2, None, 0]
    assert found["pii.ips"].to_pylist() == [1, None, 0]
    assert ReplaceAddresses()(rows).select(["pii.emails", "pii.ips"]).to_pydict() == {
        name: column.to_pylist() for name, column in found.items()
    }


def test_replacements_come_in_turn_and_begin_anew_with_each_document():
    rows = ReplaceAddresses()(batch("a@b.co c@d.co e@f.co", "g@h.co 8.8.8.8 8.8.4.4"))
    assert rows["text"].to_pylist() == [f"{EMAILS[0]} {EMAILS[1]} {EMAILS[0]}", f"{EMAILS[0]} {IPV4S[0]} {IPV4S[1]}"]


def test_what_was_replaced_is_replaced_by_itself():
    once = ReplaceAddresses()(batch("a@b.co 8.8.8.8 8.8.4.4 c@d.co 2a00:1450:4001:81c::200e"))
    assert ReplaceAddresses()(once)["text"].equals(once["text"])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_slices_and_large_strings_and_nulls_are_rewritten_alike(kind):
    texts = ["x@y.zz before", "a@b.co", None, "é 8.8.8.8 ü", "", "end c@d.co"]
    column = pa.array(texts, kind).slice(1)
    rows = MARKED(pa.RecordBatch.from_arrays([column], ["text"]))
    assert rows["text"].type == kind
    assert rows["text"].to_pylist() == ["<mail>", None, "é <v4> ü", "", "end <mail>"]
    rows["text"].validate(full=True)


def test_a_megabyte_without_a_space_takes_no_time():
    text = "AbC0+/" * 200_000 + "@x.com " + "1." * 200_000 + " " + "a:" * 200_000
    assert MARKED(batch(text))["text"].to_pylist() == [text]


def test_settings_travel_and_are_told_when_they_differ():
    assert repr(ReplaceAddresses()) == "ReplaceAddresses()"
    assert "<mail>" in repr(MARKED)
    assert pickle.loads(pickle.dumps(MARKED)) == MARKED
    with pytest.raises(ValueError, match="at least one address"):
        ReplaceAddresses(emails=())


pieces = st.sampled_from(
    [*"ab1-_+.@: é中\n[]", "8.8.8.8", "10.0.0.1", "x@y.zz", "foo.bar", "25", "::", "2a00:1450:", "@b.co", "'", "\0"]
)


@given(st.lists(pieces, max_size=40).map("".join))
def test_emails_are_those_of_datatroves_expression(text):
    formatters = pytest.importorskip("datatrove.pipeline.formatters")
    pattern = formatters.PIIFormatter().emails_replacer.regex
    found = find_addresses(pa.array([text]))
    ours = [
        (found.text.data[a:b].tobytes().decode())
        for a, b, kind in zip(found.starts, found.stops, found.kinds, strict=True)
        if kind == EMAIL
    ]
    theirs = [match[0] for match in pattern.finditer(text)]
    ips = [re.escape(address) for address in re.findall(r"[\d.]{7,}", text)]
    if not ips:  # where numbers with dots stand in an e-mail's place, theirs takes the e-mail and ours the first
        assert ours == theirs


@given(st.lists(st.sampled_from([*"0123456789.. ,a-:", "8.8.8.8", "200.1.1.1"]), max_size=30).map("".join))
def test_ipv4_is_what_stands_alone_and_is_public(text):
    found = find_addresses(pa.array([text]))
    ours = [found.text.data[a:b].tobytes().decode() for a, b in zip(found.starts, found.stops, strict=True)]
    alone = re.finditer(r"(?<![\w])(?<!\w\.)\d{1,3}(?:\.\d{1,3}){3}(?![\w@])(?!\.\w)", text)
    assert ours == [match[0] for match in alone if is_public(match[0])]


@given(st.ip_addresses())
def test_public_is_what_the_standard_library_calls_global_within_what_is_given_out(address):
    given_out = address.version == 4 or address in ipaddress.ip_network("2000::/3")
    assert is_public(str(address)) == (address.is_global and given_out)


def test_decisions_equal_datatroves_on_real_pages(shared_data):
    formatters = pytest.importorskip("datatrove.pipeline.formatters")
    from pyarrow import parquet

    texts = parquet.read_table(shared_data / "web/text.parquet", columns=["text"])["text"].to_pylist()[::20]
    found = Addresses()(batch(*texts))
    counts = np.asarray(found["pii.emails"]) + np.asarray(found["pii.ips"])
    theirs = formatters.PIIFormatter()
    same = [(theirs.format(text) != text) == bool(count) for text, count in zip(texts, counts, strict=True)]
    assert np.mean(same) >= 0.995
