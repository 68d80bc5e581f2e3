"""Contents by Software Heritage's names: rows of The Stack v2 and Stack-Edu say which file, not what is in it.

    run((FetchContents(), ...), Parquet("stack-edu/Python"), "code")                      from the archive's bucket
    FetchContents(SoftwareHeritage("mirror/content", anonymous=False))                    from a folder or any URL

`Fetch` is one function: a name in, bytes out. `SoftwareHeritage` reads `PREFIX/NAME` through fsspec, gzipped or not;
the archive itself is `s3://softwareheritage/content`, public, with a request each, so many are on their way at a time.
The bytes are decoded as `src_encoding` says. What a row itself is at fault for (a name that is not there, another
encoding, a bomb) is quarantined with the reason, and so is a content that is refused where others are not; a storage
that fails or throttles is asked again, `attempts` times with growing pauses, and if it then has no answer, be it for
one content, the split fails, to be run again: a network is no record's fault.
"""

import codecs
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import fsspec
import pyarrow as pa

from curate.document import ID, QUARANTINED, TEXT, Batch, with_columns

Fetch = Callable[
    [str], bytes
]  # a content's name -> its bytes; FileNotFoundError if there is none, OSError to try again
BUCKET = "s3://softwareheritage/content"
GZIP = b"\x1f\x8b"
MAX_BYTES = 10 * 2**20  # The Stack v2 took files of less than 10 MB compressed; source code is far smaller


class ContentError(ValueError):
    """A content is there and cannot be used."""


@dataclass(frozen=True)
class SoftwareHeritage:
    """Fetch contents as the archive's bucket keeps them: an object for each, by its name, gzipped.

    Attributes:
        prefix: what stands before the name: a bucket, a folder, any fsspec URL.
        anonymous: ask S3 without credentials, as the archive's public bucket allows.
        max_bytes: of a content decompressed; a larger one is refused.
    """

    prefix: str = BUCKET
    anonymous: bool = True
    max_bytes: int = MAX_BYTES

    def __call__(self, name: str) -> bytes:
        """Return a content.

        Raises:
            FileNotFoundError: there is no content of this name.
            ContentError: it is too large, or its compression is broken.
            OSError: the storage gave no answer.
        """
        if not name.isalnum():
            raise FileNotFoundError(f"{name!r} is no name of a content")
        fs, root = _storage(self.prefix, self.anonymous)
        try:
            data = fs.cat_file(f"{root}/{name}")
        except OSError:
            raise
        except Exception as error:  # a storage's client is not ours to name; whatever it raises, there was no answer
            raise ConnectionError(f"{self.prefix} gives no answer: {type(error).__name__}: {error}") from error
        return unpacked(data, self.max_bytes)


@cache
def _storage(prefix: str, anonymous: bool) -> tuple[fsspec.AbstractFileSystem, str]:
    options = {"anon": True} if anonymous and prefix.startswith("s3://") else {}
    fs, root = fsspec.core.url_to_fs(prefix.rstrip("/"), **options)
    return fs, root


def unpacked(data: bytes, max_bytes: int) -> bytes:
    """Undo gzip, if it is gzip, no further than a bound.

    Raises:
        ContentError: more than `max_bytes`, or broken.
    """
    if data.startswith(GZIP):
        unpack = zlib.decompressobj(wbits=31)
        try:
            data = unpack.decompress(data, max_bytes + 1)
        except zlib.error as error:
            raise ContentError(f"its gzip is broken ({error})") from error
        if len(data) <= max_bytes and not unpack.eof:
            raise ContentError("its gzip breaks off")
    if len(data) > max_bytes:
        raise ContentError(f"it has more than {max_bytes:,} bytes")
    return data


@dataclass(frozen=True)
class FetchContents:
    """Fill `text` where it is null by the name in `blob_id`, or in `id` where there is no such column.

    Attributes:
        fetch: gives a content's bytes.
        workers: contents on their way at a time; the rows stay in their order.
        attempts: how often the storage is asked before it counts as failed.
        pause_s: before the second attempt; doubled before each further one.
    """

    fetch: Fetch = SoftwareHeritage()
    workers: int = 32
    attempts: int = 8  # a minute
    pause_s: float = 0.5

    def __call__(self, batch: Batch) -> Batch:
        names = batch["blob_id" if "blob_id" in batch.schema.names else ID].to_pylist()
        texts = self._column(batch, TEXT)
        reasons = self._column(batch, QUARANTINED)
        wanted = [row for row, (text, why) in enumerate(zip(texts, reasons, strict=True)) if text is None and not why]
        encodings = self._column(batch, "src_encoding")
        with ThreadPoolExecutor(self.workers) as pool:
            found = list(pool.map(self._content, (names[row] for row in wanted), (encodings[row] for row in wanted)))
        failed = [error for error in found if isinstance(error, OSError)]
        silent = [error for error in failed if not isinstance(error, PermissionError)]
        if silent or (failed and len(failed) == len(found)):
            many = "no content could" if len(failed) == len(found) else f"{len(failed)} contents could not"
            why = (silent or failed)[0]
            raise OSError(f"{many} be fetched, of {len(found)}; run again when this is mended: {why}")
        for row, content in zip(wanted, found, strict=True):
            if isinstance(content, str):
                texts[row] = content
            else:
                reasons[row] = f"{content}"
        columns = {TEXT: pa.array(texts, pa.string())}
        if any(reasons) or QUARANTINED in batch.schema.names:
            columns[QUARANTINED] = pa.array(reasons, pa.string())
        return with_columns(batch, columns)

    def _column(self, batch: Batch, name: str) -> list[str | None]:
        return batch[name].to_pylist() if name in batch.schema.names else [None] * batch.num_rows

    def _content(self, name: str | None, encoding: str | None) -> str | Exception:
        """Return a text, or what is wrong; OSError if the storage is to blame."""
        if not name:
            return ContentError("no name of a content to fetch")
        try:
            return decoded(self._fetched(name), encoding)
        except FileNotFoundError:
            return ContentError(f"content not found: {name}")
        except ContentError as error:
            return ContentError(f"content unusable: {name}: {error}")
        except PermissionError as error:
            return PermissionError(f"content refused: {name}: {error}")
        except OSError as error:
            return OSError(f"content not fetched in {self.attempts} attempts: {name}: {error}")

    def _fetched(self, name: str) -> bytes:
        for attempt in range(1, self.attempts):
            try:
                return self.fetch(name)
            except FileNotFoundError:
                raise
            except OSError:
                time.sleep(self.pause_s * 2 ** (attempt - 1))
        return self.fetch(name)


def decoded(data: bytes, encoding: str | None) -> str:
    """Return the text of a content in the encoding that The Stack v2 states, UTF-8 where it states none.

    Raises:
        ContentError: Python knows no such encoding, or the content is not in it.
    """
    try:
        known = codecs.lookup(encoding or "utf-8").name
        text = data.decode("utf-8-sig" if known == "utf-8" else known)
        text.encode()  # UTF-16 and others may hide halves of characters
    except LookupError as error:
        raise ContentError(f"no such encoding: {encoding}") from error
    except UnicodeError as error:
        raise ContentError(f"not {encoding or 'UTF-8'}: {error}") from error
    return text
