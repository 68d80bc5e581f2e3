import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.dedup.url import TRACKING, normalised_urls, url_hashes


def normal(*urls: str | None) -> list[str]:
    return normalised_urls(pa.array(urls, pa.string())).to_pylist()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", "example.com"),
        ("http://www.Example.COM:80/", "example.com"),
        ("//example.com./", "example.com"),
        ("example.com/a", "example.com/a"),
        (" HTTPS://user:secret@example.com:443/a/b//#top ", "example.com/a/b"),
        ("http://example.com:8080/a", "example.com:8080/a"),
        ("http://example.com/A?b=2&a=1", "example.com/A?a=1&b=2"),
        ("http://example.com/?utm_source=x&UTM_Medium=y&id=3&fbclid=z&&gclid", "example.com?id=3"),
        ("http://example.com/a?", "example.com/a"),
        ("http://example.com/a?fbclid=1#/route", "example.com/a"),
        ("http://example.com/a;jsessionid=AB12/b;v=1?x;y", "example.com/a/b;v=1?x&y"),
        ("http://example.com/go?to=http://www.other.org/", "example.com/go?to=http://www.other.org/"),
        ("http://example.com/caf%C3%A9/é", "example.com/caf%C3%A9/é"),
        ("http://[2001:DB8::1]:80/x", "[2001:db8::1]/x"),
        ("https://m.example.com/", "m.example.com"),
        ("mailto:a@example.com", "mailto:a@example.com"),
        ("src/main.py", "src/main.py"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_url_has_one_form(url, expected):
    assert normal(url) == [expected]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://example.com/a", "http://example.com/A"),
        ("http://example.com/a?id=1", "http://example.com/a?id=2"),
        ("http://example.com/a", "http://example.org/a"),
        ("http://example.com:81/", "http://example.com/"),
        ("http://example.com/?author=1", "http://example.com/?spam=1"),
    ],
)
def test_different_pages_stay_different(one, other):
    assert len(set(normal(one, other))) == 2


URLS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["http://", "https://www.", "//", "HTTP://u@"]),
    st.sampled_from(["a.org", "A.org", "b.org:80", "b.org:81", "a.org."]),
    st.text("/aA.;", max_size=6).map(lambda path: f"/{path}"),
    st.one_of(st.just(""), st.text("ab=&1;", max_size=10).map(lambda query: f"?{query}")),
    st.sampled_from(["", "#", "#x?y"]),
)


@given(st.lists(st.one_of(st.none(), st.just(""), URLS), max_size=8))
def test_the_form_of_a_form_is_itself_and_rows_do_not_meet(urls):
    once = normal(*urls)
    assert once == [normal(url)[0] for url in urls]
    assert once == normal(*(f"https://{form}" if form else form for form in once))
    assert all(bool(form) == bool(url) for form, url in zip(once, urls, strict=True))


def test_every_tracking_parameter_goes():
    names = [name + "x" if name.endswith("_") else name for name in TRACKING]
    query = "&".join(f"{name}=1" for name in names)
    assert normal(f"http://example.com/a?{query}") == ["example.com/a"]


def test_hashes_are_equal_where_forms_are_and_zero_without_a_url():
    column = pa.array(["skipped", "http://a.org/", None, "https://www.a.org", "", "http://b.org"]).slice(1)
    hashes = url_hashes(column)
    assert hashes.shape == (5, 2)
    assert (hashes[0] == hashes[2]).all()
    assert not hashes[[1, 3]].any()
    assert hashes[4].any()
    assert (hashes[0] != hashes[4]).any()
    assert url_hashes(pa.array([], pa.string())).shape == (0, 2)
