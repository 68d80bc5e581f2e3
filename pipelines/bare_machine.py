"""What a machine without network or data still holds: Python's own library and the installed packages.

    pages, code = gather(Path("runs/demo/input"), num_modules=600, num_files=1500)

Web pages come as a WARC, so that the demo reads them as it would read a crawl: each installed project's page
(its README), Python's own help topics, and documentation made of docstrings, each with the menus and footers that
an extractor has to take away. Code is copied as it lies, one folder a package.
"""

import ast
import gzip
import hashlib
import html
import shutil
import sysconfig
import uuid
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from markdown_it import MarkdownIt

DATE = "2026-01-01T00:00:00Z"  # of the made-up crawl; a constant, so that the same machine gives the same WARC
MIN_DOC_CHARS = 400  # of docstrings, for a module to get a page
MAX_FILE_BYTES = 100_000
SKIPPED = {"test", "tests", "idlelib", "site-packages", "__pycache__", "lib2to3", "node_modules"}


def gather(folder: Path, *, num_modules: int, num_files: int) -> tuple[Path, Path]:
    """Write `web.warc.gz` and `code/` into `folder` (once) and return their paths."""
    pages, code = folder / "web.warc.gz", folder / "code"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        files = list(source_files())
        write_warc(pages, [*project_pages(), *topic_pages(), *module_pages(drawn(files, "pages"), num_modules)])
        for package, path, relative in drawn(files, "code")[:num_files]:
            target = code / package / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        (folder / "complete").touch()
    return pages, code


def project_pages() -> Iterator[tuple[str, str]]:
    """Yield (url, html) of every installed project's page: the README in its metadata."""
    for project in sorted(metadata.distributions(), key=lambda found: found.metadata["Name"].lower()):
        name, readme = project.metadata["Name"], project.metadata.get_payload()
        kind = project.metadata.get("Description-Content-Type") or ""
        if isinstance(readme, str) and len(readme) >= MIN_DOC_CHARS:
            body = MarkdownIt("commonmark").enable("table").render(readme) if "markdown" in kind else paragraphs(readme)
            yield f"https://pypi.example/project/{name}/", page(name, body)


def topic_pages() -> Iterator[tuple[str, str]]:
    """Yield (url, html) of Python's help topics, as `help('if')` prints them."""
    from pydoc_data.topics import topics

    for name, text in sorted(topics.items()):
        yield f"https://python.example/reference/{name}.html", page(name, paragraphs(text))


def module_pages(files: list[tuple[str, Path, str]], limit: int) -> Iterator[tuple[str, str]]:
    """Yield (url, html) of the documentation of the first `limit` modules that have enough of it."""
    for package, path, relative in files:
        parts = docstrings(path)
        if sum(len(text) for _, text in parts) < MIN_DOC_CHARS:
            continue
        body = "".join(f"<h2>{html.escape(name)}</h2>{paragraphs(text)}" for name, text in parts)
        yield f"https://docs.example/{package}/{relative.removesuffix('.py')}.html", page(relative, body)
        limit -= 1
        if not limit:
            return


def docstrings(path: Path) -> list[tuple[str, str]]:
    """Return (name, docstring) of a module and its classes and functions; none if it does not parse."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return []
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, documented)]
    return [(getattr(node, "name", path.stem), text) for node in nodes if (text := ast.get_docstring(node))]


def source_files() -> Iterator[tuple[str, Path, str]]:
    """Yield (package, path, path within it) of the Python files of the standard library and installed packages."""
    for place, name in (("stdlib", "python"), ("purelib", None)):
        root = Path(sysconfig.get_path(place))
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).parts
            if SKIPPED & set(parts[:-1]) or not 0 < path.stat().st_size <= MAX_FILE_BYTES:
                continue
            package = name or parts[0].removesuffix(".py")
            yield package, path, "/".join(parts if name else parts[1:] or parts)


def drawn(files: list[tuple[str, Path, str]], purpose: str) -> list[tuple[str, Path, str]]:
    """Order files by a hash, so that the first n are a fair draw and the same on every run."""
    return sorted(files, key=lambda file: hashlib.blake2b(f"{purpose}/{file[0]}/{file[2]}".encode()).digest())


def paragraphs(text: str) -> str:
    """Turn plain text into HTML: blank lines part paragraphs, indented blocks stay as they are."""
    blocks = (block for block in text.split("\n\n") if block.strip())
    return "".join(
        f"<pre>{html.escape(block)}</pre>" if block.startswith("    ") else f"<p>{html.escape(block)}</p>"
        for block in blocks
    )


def page(title: str, body: str) -> str:
    menu = "".join(f'<li><a href="/{name}">{name}</a></li>' for name in ("Home", "Search", "Sign in", "Help"))
    return (
        f"<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>{html.escape(title)}</title></head><body>"
        f"<nav><ul>{menu}</ul></nav><main><article><h1>{html.escape(title)}</h1>{body}</article></main>"
        "<footer><p>All rights reserved. We use cookies.</p></footer></body></html>"
    )


def write_warc(path: Path, pages: list[tuple[str, str]]) -> None:
    """Write pages as HTTP response records of a gzipped WARC 1.0, one gzip member a record, as in a crawl."""
    with path.open("wb") as file:
        for url, text in pages:
            payload = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + text.encode()
            head = (
                "WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\n"
                f"WARC-Record-ID: <urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, url)}>\r\n"
                f"WARC-Target-URI: {url}\r\nWARC-Date: {DATE}\r\nContent-Length: {len(payload)}\r\n\r\n"
            )
            file.write(gzip.compress(head.encode() + payload + b"\r\n\r\n", mtime=0))
