"""HTML to text: the `html` column becomes `text`.

    Extract()                            Resiliparse: some hundreds of pages a second and core
    Extract(extractor="trafilatura")     as FineWeb did it: ten times slower, keeps less around the main text

Both look for the main content and leave out navigation, forms and footers. No language is taken from the HTML: pages
say what their template says. Trafilatura removes repeated segments within a page only; FineWeb let it remember the
pages before as well, which makes a text depend on what its worker happened to read earlier.

A page must not stop a run. One that is over `max_html_bytes`, raises, or takes over `timeout_s` is marked in
`quarantined`. The seconds are the processor's, so a machine that is busy, or frozen for a while, keeps what an idle one
keeps. The clock is a signal: it runs only in the main thread (where the runner and Ray tasks work) and stops only
Python code. Resiliparse is compiled, and its time grows with the square of the nesting (16,000 nested <div> take 10 s),
so pages nested over `MAX_DEPTH` are refused as well.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal

import pyarrow as pa
import trafilatura  # here, not on first use: an import must not run against the clock
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding
from resiliparse.parse.html import DOMContext, HTMLTree, traverse_dom
from trafilatura.deduplication import LRUCache

from curate.document import QUARANTINED, TEXT, Batch
from curate.readers import HTML

MAX_DEPTH = 4000  # elements; 0.4 s of Resiliparse. Browsers stop at 512
SEGMENTS = 4096  # that Trafilatura remembers of one page


@dataclass(frozen=True)
class Extract:
    """Replace the `html` column by `text`; a page without main content has the text "".

    Attributes:
        max_html_bytes: Common Crawl cuts pages at 5 MiB.
        timeout_s: seconds of processor time for one page.
    """

    extractor: Literal["resiliparse", "trafilatura"] = "resiliparse"
    max_html_bytes: int = 10 * 2**20
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if self.extractor not in EXTRACTORS:
            raise ValueError(f"no extractor {self.extractor!r}; choose one of {', '.join(EXTRACTORS)}")

    def __call__(self, batch: Batch) -> Batch:
        if HTML not in batch.schema.names:
            raise ValueError("there is no column 'html' to extract from; does this input have its text already?")
        before = batch[QUARANTINED].to_pylist() if QUARANTINED in batch.schema.names else [None] * batch.num_rows
        texts: list[str | None] = []
        reasons: list[str | None] = []
        for html, marked in zip(batch[HTML], before, strict=True):
            text, reason = (None, marked) if marked or not html.is_valid else self.text(html.as_py())
            texts.append(text)
            reasons.append(reason)
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        columns |= {HTML: pa.array(texts, pa.string()), QUARANTINED: pa.array(reasons, pa.string())}
        names = [TEXT if name == HTML else name for name in columns]
        return pa.RecordBatch.from_arrays(list(columns.values()), names=names)

    def text(self, html: bytes) -> tuple[str | None, str | None]:
        """Return (text, None), or (None, the reason why there is none)."""
        if len(html) > self.max_html_bytes:
            return None, f"html too large: {len(html):,} of at most {self.max_html_bytes:,} bytes"
        try:
            with deadline(self.timeout_s):
                return EXTRACTORS[self.extractor](decode(html)), None
        except OutOfTimeError:
            return None, f"extraction timed out: {self.extractor}, over {self.timeout_s:g} s of processor time"
        except MemoryError:
            raise  # the machine's fault, not the page's
        except Exception as error:  # noqa: BLE001  whatever a page does to an extractor, the run goes on
            return None, f"extraction failed: {self.extractor}: {type(error).__name__}: {error}"


def decode(html: bytes) -> str:
    """Decode a page: valid UTF-8 is UTF-8, else what it declares or looks like; broken bytes become U+FFFD."""
    try:
        return html.decode("utf-8-sig")
    except UnicodeDecodeError:
        return html.decode(detect_encoding(html, from_html_meta=True) or "utf-8", errors="replace")


def by_resiliparse(html: str) -> str:
    """Extract with Resiliparse (Bevendorff et al., 2018), as DCLM did."""
    tree = HTMLTree.parse(html)
    starts = html.count("<") - html.count("</")  # tags; as quick to know as the depth is slow, and no smaller
    if starts > MAX_DEPTH and depth(tree) > MAX_DEPTH:
        raise ValueError(f"elements are nested over {MAX_DEPTH} deep")
    return str(extract_plain_text(tree, main_content=True, alt_texts=False))


def by_trafilatura(html: str) -> str:
    """Extract with Trafilatura (Barbaresi, 2021), with FineWeb's settings."""
    seen = LRUCache(SEGMENTS)  # of this page alone
    return trafilatura.extract(html, favor_precision=True, include_comments=False, deduplicate=seen) or ""


EXTRACTORS = {"resiliparse": by_resiliparse, "trafilatura": by_trafilatura}


def depth(tree: HTMLTree) -> int:
    """Return how deep the body's elements are nested."""
    deepest = 0

    def enter(context: DOMContext) -> None:
        nonlocal deepest
        deepest = max(deepest, context.depth)

    if tree.body is not None:
        traverse_dom(tree.body, enter, elements_only=True)
    return deepest


class OutOfTimeError(BaseException):
    """The clock ran out; no Exception, so that an extractor's own `except Exception` lets it through."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in the block after `seconds` of processor time; do nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGVTALRM, _out_of_time)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, seconds)  # again, should a destructor swallow the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def _out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTimeError
