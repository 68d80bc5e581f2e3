"""Block lists and words in URLs: by hand, from files, beside a slow reference and datatrove's filter."""

import gzip
import pickle
import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.signals import urls
from curate.signals.urls import Urls
from curate.stage import Keep, Measure


def batch(*addresses: str | None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"url": pa.array(addresses, pa.string())})


def measured(stage: Urls, url: str | None) -> dict[str, int | None]:
    return {name.removeprefix("url."): column[0].as_py() for name, column in stage(batch(url)).items()}


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists")
    (folder / "domains").write_text(
        "# a comment\nevil.com\nb.half.org # said why\n0.0.0.0 hosts.net\nporn\n\n1.2.3.4\nwww.dub.io\nbücher.de\n"
        "CAPS.com.\n2001:db8::7\n"
    )
    (folder / "urls").write_text("site.org/~bad\nhttp://www.other.org/x?y=1\nslash.org/\n")
    (folder / "hard").write_text("Bad-Word\nnaughty\n")
    (folder / "soft").write_text("soft\nsofter\nnaughty\n")
    (folder / "sub").write_text("part\nother-part\n")
    return folder


@pytest.fixture(scope="module")
def stage(lists):
    name = {field: (str(lists / field),) for field in ("domains",)}
    files = {"hard_words": "hard", "soft_words": "soft", "subwords": "sub", "addresses": "urls"}
    return Urls(**name, **{field: (str(lists / file),) for field, file in files.items()})


@pytest.mark.parametrize(
    ("url", "listed"),
    [
        ("http://evil.com", 1),
        ("https://a.b.EVIL.com./x", 1),
        ("http://user:pass@evil.com:8080?q", 1),
        ("evil.com/path", 1),  # no scheme
        ("//evil.com#top", 1),
        ("http://notevil.com", 0),
        ("http://evil.com.de", 0),
        ("http://x.de/evil.com", 0),
        ("http://half.org", 0),
        ("http://a.b.half.org", 1),  # datatrove asks for half.org and a.b.half.org
        ("http://hosts.net/", 1),
        ("http://porn/", 0),  # a name without a dot is passed over
        ("http://my.porn/", 0),
        ("http://1.2.3.4/", 1),
        ("http://9.1.2.3.4/", 0),  # no address, and nothing below one
        ("http://dub.io", 1),
        ("http://www.dub.io", 1),
        ("http://bücher.de/x", 1),
        ("http://xn--bcher-kva.de", 1),
        ("http://b%C3%BCcher.de", 1),
        ("http://b.caps.COM/", 1),
        ("http://[2001:db8::7]:80/", 0),  # names have dots; so has an IPv4 address
        ("", None),
        (None, None),
        ("http://", 0),
        ("/", 0),
        ("mailto:x@evil.com", 1),
    ],
)
def test_a_listed_domain_stands_for_all_below_it(stage, url, listed):
    assert measured(stage, url)["domains"] == listed


@pytest.mark.parametrize(
    ("url", "listed"),
    [
        ("http://site.org/~bad", 1),
        ("https://WWW.site.org/~bad/deep?x", 1),
        ("http://site.org/~bade", 0),
        ("http://site.org/~BAD", 0),  # a path has capitals
        ("http://site.org/", 0),
        ("http://other.org/x?y=1", 1),
        ("http://other.org/x?y=12", 0),
        ("http://slash.org", 1),
        ("ftp://slash.org:21/anything", 1),
    ],
)
def test_a_listed_address_stands_for_all_below_it(stage, url, listed):
    assert measured(stage, url)["addresses"] == listed


@pytest.mark.parametrize(
    ("url", "hard", "soft", "subwords"),
    [
        ("http://x.org/badword/naughty/naughty", 2, 0, 0),
        ("http://x.org/NAUGHTY", 1, 0, 0),
        ("http://x.org/notnaughty", 0, 0, 0),
        ("http://x.org/bad-word", 0, 0, 0),  # two words
        ("http://soft.org/softer", 0, 2, 0),
        ("http://soft.org/soft", 0, 1, 0),  # counted once
        ("http://x.org/aparty", 0, 0, 1),
        ("http://x.org/p-a-r-t", 0, 0, 1),  # letters and digits alone
        ("http://x.org/other_part", 0, 0, 2),
    ],
)
def test_words(stage, url, hard, soft, subwords):
    found = measured(stage, url)
    assert (found["hard_words"], found["soft_words"], found["subwords"]) == (hard, soft, subwords)


def test_rules_drop_one_hard_word_and_two_soft_ones_and_no_unknown_url(stage):
    rows = batch("http://soft.org", "http://soft.org/softer", "http://x.org/naughty", None)
    marked = Keep(urls.RULES)(Measure((stage,))(rows))["dropped_by"].to_pylist()
    assert marked == [None, ["url.soft_words"], ["url.hard_words"], None]


def test_the_lists_that_ship_spare_honest_places():
    rows = batch(
        "https://www.essex.ac.uk/sex-education",
        "https://en.wikipedia.org/wiki/Casino_Royale",
        "https://www.scunthorpe.gov.uk/adult-learning",
        "https://www.nhs.uk/sexual-health/",
        "https://www.pornhub.com/",
        "http://free-xxx.example.org/",
    )
    marked = Keep(urls.RULES)(Measure((Urls(),))(rows))["dropped_by"].to_pylist()
    assert [bool(rules) for rules in marked] == [False, False, False, False, True, True]


def test_a_folder_like_ut1s_and_a_gzipped_file_are_read(lists, tmp_path):
    (tmp_path / "adult").mkdir()
    (tmp_path / "adult/domains").write_text("evil.com\n")
    (tmp_path / "adult/urls").write_text("site.org/bad\n")
    with gzip.open(tmp_path / "more.gz", "wt") as file:
        file.write("gz.com\n")
    folder, file_ = Urls.at(str(tmp_path)), Urls.at(str(tmp_path / "more.gz"))
    assert measured(folder, "http://evil.com")["domains"] == 1
    assert measured(folder, "http://site.org/bad")["addresses"] == 1
    assert measured(file_, "http://x.gz.com")["domains"] == 1
    with pytest.raises(FileNotFoundError, match="does not exist; give a list of domains, or a folder"):
        Urls.at(str(tmp_path / "nowhere"))


def test_settings_travel_and_a_batch_without_urls_says_so(stage):
    assert repr(pickle.loads(pickle.dumps(stage))) == repr(stage)
    assert repr(Urls()) == "Urls()"
    assert "content=none" in repr(Urls(domains=("/nowhere/list",)))
    with pytest.raises(KeyError, match="url"):
        Urls()(pa.RecordBatch.from_pydict({"text": ["x"]}))
    assert Urls()(batch().slice(0, 0))["url.domains"].to_pylist() == []


def test_a_run_is_known_by_what_its_lists_hold(tmp_path):
    told = []
    for number, listed in enumerate(("evil.com\n", "evil.com\n", "evil.com\nworse.com\n")):
        file = tmp_path / f"{number}.txt"
        file.write_text(listed)
        told.append(repr(Urls.at(str(file))).replace(file.name, "list"))
    assert told[0] == told[1] != told[2]


names = st.sampled_from(["evil.com", "a.evil.com", "half.org", "b.half.org", "x.b.half.org", "www.dub.io", "é.de", "a"])
paths = st.lists(st.sampled_from(["/", "?", "#", "soft", "softer", "naughty", "PART", "-", "x", "ü", "%20"])).map(
    "".join
)


@given(st.sampled_from(["", "http://", "HTTPS://", "//"]), st.sampled_from(["", "u@", "u:p@"]), names, paths)
def test_measures_equal_a_slow_reference(stage, scheme, user, name, path):
    url = f"{scheme}{user}{name}{'/' if path else ''}{path}"
    words = re.split("[^a-z0-9]+", url.lower())
    bare = re.sub("[^a-z0-9]", "", url.lower())
    found = measured(stage, url)
    above = [name.split(".", i)[-1] for i in range(name.count(".") + 1)]
    assert found["domains"] == any(part in {"evil.com", "b.half.org", "dub.io"} for part in above)
    assert found["hard_words"] == len({"badword", "naughty"} & set(words))
    assert found["soft_words"] == len({"soft", "softer"} & set(words))
    assert found["subwords"] == ("part" in bare) + ("otherpart" in bare)


@pytest.mark.filterwarnings("ignore:The 'registered_domain' property:DeprecationWarning")  # datatrove's
def test_datatrove_decides_alike_with_the_same_lists(tmp_path):
    pytest.importorskip("ahocorasick")
    pytest.importorskip("tldextract")
    from datatrove.data import Document
    from datatrove.pipeline.filters import URLFilter
    from tldextract import TLDExtract

    given_lists = {
        "domains": ["evil.com", "a.half.org"],
        "hard": ["naughty"],
        "soft": ["soft", "softer"],
        "sub": ["part"],
    }
    for name, entries in given_lists.items():
        (tmp_path / name).write_text("\n".join(entries))
    ours = Urls(*[(str(tmp_path / name),) for name in ("domains", "domains", "hard", "soft", "sub")])
    theirs = URLFilter(
        extra_domains=given_lists["domains"],
        banned_words=given_lists["hard"],
        soft_banned_words=given_lists["soft"],
        banned_subwords=given_lists["sub"],
        use_integrated_lists=False,
    )
    theirs.tldextractor = TLDExtract(suffix_list_urls=(), cache_dir=None)  # the snapshot it carries, no network
    hosts = ("evil.com", "x.evil.com", "half.org", "a.half.org", "fine.org", "soft.org", "partner.co.uk")
    tails = ("", "/", "/naughty", "/soft/softer", "/soft", "/p-a-r-t", "/x?y=softer")
    addresses = [f"http://{host}{tail}" for host in hosts for tail in tails]
    marked = Keep(urls.RULES)(Measure((ours,))(batch(*addresses)))["dropped_by"].to_pylist()
    kept = [theirs.filter(Document("", id="", metadata={"url": url})) is True for url in addresses]
    assert [not rules for rules in marked] == kept


def test_an_odd_byte_costs_its_entry_and_a_wrong_archive_is_told(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"evil.com\n\xff\xfe.com\nb\xc3\xbccher.example\n")
    odd = Urls.at(str(tmp_path / "list.txt"))
    assert measured(odd, "http://evil.com")["domains"] == 1
    assert measured(odd, "http://b\u00fccher.example/")["domains"] == 1
    for name in ("list.zip", "list.gz"):
        (tmp_path / name).write_bytes(b"evil.com\n")
        with pytest.raises(ValueError, match=f"{name} is not compressed as its name says"):
            measured(Urls.at(str(tmp_path / name)), "http://evil.com")
