"""Extraction: text out of pages, and no page stops a run."""

import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from curate.document import WEB
from curate.readers.html import Extract, OutOfTimeError, deadline, decode
from curate.readers.warc import SCHEMA, Warc

PAGE = (
    "<html><head><title>T</title></head><body><nav><a href='/'>Home</a></nav><article><p>{}</p></article></body></html>"
)
SENTENCE = "The cells of a leaf turn light into sugar, and the tree lives on it. "


def batch(*pages: bytes) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"html": page, "id": str(n)} for n, page in enumerate(pages)], schema=SCHEMA)


@pytest.mark.parametrize("extractor", ["resiliparse", "trafilatura"])
def test_the_main_content_becomes_text_and_the_navigation_goes(extractor: str) -> None:
    page = PAGE.format(SENTENCE * 5).encode()
    (text,) = Extract(extractor=extractor)(batch(page))["text"].to_pylist()  # type: ignore[arg-type]
    assert text.count("turn light into sugar") == 5
    assert "Home" not in text


def test_the_columns_are_those_of_web_documents() -> None:
    result = Extract()(batch(b"<p>x</p>"))
    assert result.schema.names[:6] == WEB.names[:6]
    assert result.schema.names[6:] == ["dropped_by", "quarantined"]
    assert result["text"].type == pa.string()


@pytest.mark.parametrize("extractor", ["resiliparse", "trafilatura"])
@pytest.mark.parametrize("page", [b"", b"<html></html>", b"<script>var x</script>"])
def test_a_page_without_content_has_empty_text(extractor: str, page: bytes) -> None:
    result = Extract(extractor=extractor)(batch(page))  # type: ignore[arg-type]
    assert result["text"].to_pylist() == [""]
    assert result["quarantined"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Grüße</p>".encode(), "<p>Grüße</p>"),
        (b"\xef\xbb\xbf<p>x</p>", "<p>x</p>"),
        ('<meta charset="windows-1251"><p>Привет</p>'.encode("cp1251"), '<meta charset="windows-1251"><p>Привет</p>'),
        ('<meta charset="latin-1"><p>Grüße</p>'.encode(), '<meta charset="latin-1"><p>Grüße</p>'),  # it lies
        ("Привет мир. ".encode() * 99 + b"\xd0", "Привет мир. " * 99 + "\ufffd"),  # cut inside a character
    ],
)
def test_a_page_is_decoded_by_its_bytes_then_by_its_word(html: bytes, text: str) -> None:
    assert decode(html) == text


def test_poison_pages_are_quarantined_and_their_neighbours_are_not() -> None:
    deep = b"<div>" * 100_000 + b"hi"  # an hour of Resiliparse
    large = b"<p>" + b"x" * 10**6
    good = PAGE.format(SENTENCE * 5).encode()
    result = Extract(max_html_bytes=10**6)(batch(good, deep, large, good))
    reasons = result["quarantined"].to_pylist()
    assert reasons[1] == "extraction failed: resiliparse: ValueError: elements are nested over 4000 deep"
    assert reasons[2] == "html too large: 1,000,003 of at most 1,000,000 bytes"
    assert reasons[0] is reasons[3] is None
    assert result["text"].is_valid().to_pylist() == [True, False, False, True]


def test_many_line_breaks_are_not_deep() -> None:
    assert Extract()(batch(b"<p>" + b"x<br>" * 10_000))["quarantined"].to_pylist() == [None]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a callback of the collector's may
def test_a_slow_page_is_quarantined_with_the_time_it_had() -> None:  # swallow the clock's first stroke; the next counts
    page = PAGE.format(f"</p><p>{SENTENCE}" * 3000).encode()
    result = Extract(extractor="trafilatura", timeout_s=0.01)(batch(page))
    assert result["quarantined"].to_pylist() == ["extraction timed out: trafilatura, over 0.01 s of processor time"]


def test_the_clock_runs_in_the_main_thread_only_and_stops_with_its_block() -> None:
    with pytest.raises(OutOfTimeError), deadline(0.01):
        work(60)
    with deadline(0.01):
        pass
    work(0.05)  # a clock left running would raise here
    done = []

    def elsewhere() -> None:
        with deadline(0.001):
            work(0.05)
            done.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert done == [True]


def test_a_machine_that_stands_still_costs_no_page() -> None:
    with deadline(0.2):
        time.sleep(0.5)  # as a frozen process, or one of many that wait for a processor


def work(seconds: float) -> None:
    """Keep a processor busy."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        sum(range(1000))


def test_a_record_marked_before_keeps_its_reason() -> None:
    marked = pa.RecordBatch.from_pylist([{"id": "a", "quarantined": "broken HTTP message: x"}], schema=SCHEMA)
    assert Extract()(marked)["quarantined"].to_pylist() == ["broken HTTP message: x"]


def test_trafilatura_forgets_the_page_before() -> None:
    page = PAGE.format(f"</p><p>{SENTENCE}".join([""] * 3)).encode()
    texts = Extract(extractor="trafilatura")(batch(*[page] * 6))["text"].to_pylist()
    assert len(set(texts)) == 1
    assert texts[0]


def test_input_with_text_is_told_apart() -> None:
    with pytest.raises(ValueError, match="no column 'html'"):
        Extract()(pa.RecordBatch.from_pydict({"text": ["x"]}))
    with pytest.raises(ValueError, match="choose one of resiliparse, trafilatura"):
        Extract(extractor="magic")  # type: ignore[arg-type]


def test_real_pages_have_text(shared_data: Path) -> None:
    source = Warc(str(shared_data / "web" / "pages-00000.warc.gz"))
    pages = next(source.read(source.splits()[0]))
    result = Extract()(pages)
    assert result["quarantined"].null_count == pages.num_rows
    assert sum(bool(text.strip()) for text in result["text"].to_pylist()) >= 0.95 * pages.num_rows
