"""A hub of our own: the HTTP endpoints that `huggingface_hub` speaks to, on 127.0.0.1, with repositories in memory.

    with FakeHub() as hub:
        publish(corpus, "hf://datasets/ada/edu", yes=True, endpoint=hub.url)
        hub.repos["datasets/ada/edu"].at("main")["README.md"]

It keeps what arrives as git and LFS would: a commit is a whole listing, large contents are known by their sha256, and
what does not have the hash it was announced by is refused. Contents over PART bytes are asked for in parts. It can be
told to fail: `hub.fail("commit", 503)`, `hub.fail("PUT /lfs", "reset")`, `hub.fail("commit", "lost")` (done, and then
the connection breaks before the answer). It knows no xet: clients are to set HF_HUB_DISABLE_XET.
"""

import base64
import hashlib
import json
import re
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN, READ_TOKEN = "hf_write", "hf_read"
PART = 64 * 1024  # bytes of a part; the hub's are some MB
PAGE = 3  # entries of a page of a listing; the hub's have 1,000
LARGE = (".parquet", ".safetensors")  # what .gitattributes of a new repository sends to LFS


@dataclass
class Repo:
    """One repository: commits as whole listings, branches as names of commits."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        parent = self.branches.get(branch, "")
        listing = json.dumps([[path, sha256(content)] for path, content in sorted(files.items())])
        oid = hashlib.sha1(f"{parent}{len(self.commits)}{listing}".encode()).hexdigest()
        self.commits[oid], self.branches[branch], self.parents[oid] = files, oid, parent
        return oid

    def at(self, revision: str) -> dict[str, bytes]:
        return self.commits[self.branches.get(revision, revision)]

    def has(self, revision: str) -> bool:
        return revision in self.branches or revision in self.commits


@dataclass
class Fault:
    """One thing that goes wrong."""

    where: str  # part of "METHOD /path"
    how: int | str  # a status, "reset" before the request is looked at, or "lost" after it was done
    times: int


class FakeHub:
    """The server; `url` is its endpoint."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}  # "datasets/ada/edu", "models/ada/small"
        self.large: dict[str, bytes] = {}  # sha256 -> content
        self.parts: dict[tuple[str, int], bytes] = {}
        self.sent: Counter[str] = Counter()  # contents PUT, by sha256
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.mangled: set[str] = set()  # paths that a commit does not store as they arrived
        self.lock = threading.Lock()
        hub = self

        class Handler(Answers):
            fake = hub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def fail(self, where: str, how: int | str, times: int = 1) -> None:
        self.faults.append(Fault(where, how, times))

    def asked(self, part: str) -> int:
        return sum(part in request for request in self.requests)

    def create(self, repo: str, *, private: bool = True, **files: bytes) -> Repo:
        made = self.repos[repo] = Repo(private)
        made.commit("main", {".gitattributes": b"*.parquet filter=lfs\n", **files})
        return made


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def is_large(path: str) -> bool:
    return path.endswith(LARGE)


class Answers(BaseHTTPRequestHandler):
    """Answers to one connection."""

    protocol_version = "HTTP/1.1"
    fake: FakeHub

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.url = urlsplit(self.path)
        self.body = self._read()
        request = f"{self.command} {self.url.path}"
        with self.fake.lock:
            self.fake.requests.append(request)
            fault = next((fault for fault in self.fake.faults if fault.where in request and fault.times), None)
            if fault is not None:
                fault.times -= 1
            self.lost = fault is not None and fault.how == "lost"
            if fault is not None and fault.how == "reset":
                return self._reset()
            if fault is not None and isinstance(fault.how, int):
                told = {403: "You have no write access", 429: "Too Many Requests"}.get(fault.how, "It went wrong")
                return self._json({"error": told}, fault.how)
            return self._route(unquote(self.url.path))

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _json(self, value: Any, status: int = 200, **headers: str) -> None:
        self._bytes(json.dumps(value).encode(), status, {"Content-Type": "application/json", **headers})

    def _bytes(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        if self.lost:
            self._reset()
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _missing(self, what: str) -> None:
        self._json({"error": f"{what} not found"}, 404, X_Error_Code=f"{what}NotFound")

    def _route(self, path: str) -> None:
        if found := re.fullmatch(r"/lfs/([0-9a-f]{64})(?:/(\d+|complete|verify))?", path):
            return self._lfs(*found.groups())
        if self.headers.get("Authorization") not in (f"Bearer {TOKEN}", f"Bearer {READ_TOKEN}"):
            return self._json(
                {"error": "Invalid credentials"}, 401, X_Error_Message="Invalid credentials in Authorization header"
            )
        if path == "/api/whoami-v2":
            role = "write" if TOKEN in self.headers["Authorization"] else "read"
            known = {"name": "ada", "orgs": [{"name": "lab"}], "auth": {"accessToken": {"role": role}}}
            return self._json(known)
        if path == "/api/validate-yaml":
            return self._validate()
        if path == "/api/repos/create":
            return self._create()
        if found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self._batch()
        if found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._resolve(f"{found[1] or 'models/'}{found[2]}", found[3], found[4])
        if found := re.fullmatch(
            r"/api/(datasets|models)/([^/]+/[^/]+)(?:/([\w-]+)/([^/]+)(?:/(.*))?)?(?:/refs)?", path
        ):
            return self._repo(f"{found[1]}/{found[2]}", found[3] or "", found[4] or "main", found[5] or "")
        return self._json({"error": f"this hub has no {path}"}, 404)

    def _validate(self) -> None:
        header = json.loads(self.body)["content"].split("---\n")[1]
        try:
            yaml.safe_load(header)
        except yaml.YAMLError as error:
            return self._json({"errors": [{"message": str(error)}]}, 400)
        return self._json({"errors": [], "warnings": []})

    def _create(self) -> None:
        asked = json.loads(self.body)
        repo = f"{asked.get('type', 'model')}s/{asked['organization']}/{asked['name']}"
        if repo in self.fake.repos:
            return self._json({"error": "You already created this repo", "url": f"{self.fake.url}/{repo}"}, 409)
        self.fake.create(repo, private=asked.get("visibility") == "private" or bool(asked.get("private")))
        return self._json({"url": f"{self.fake.url}/{repo.removeprefix('models/')}"})

    def _repo(self, name: str, verb: str, revision: str, rest: str) -> None:
        repo = self.fake.repos.get(name)
        if repo is None:
            return self._missing("Repo")
        if verb == "branch":
            asked = json.loads(self.body or b"{}")
            repo.branches[revision] = repo.branches.get(
                asked.get("startingPoint", "main"), asked.get("startingPoint", "")
            )
            return self._json({})
        if not repo.has(revision):
            return self._missing("Revision")
        files = repo.at(revision)
        if verb in ("", "revision"):
            oid = repo.branches.get(revision, revision)
            siblings = [{"rfilename": path} for path in sorted(files)]
            id_ = name.partition("/")[2]
            return self._json({"id": id_, "sha": oid, "private": repo.private, "siblings": siblings, "tags": []})
        if verb == "tree":
            return self._tree(files, rest)
        if verb == "paths-info":
            asked = json.loads(self.body) if self.body[:1] == b"{" else parse_qs(self.body.decode())
            return self._json([entry for path in asked["paths"] if (entry := _entry(path, files))])
        if verb == "preupload":
            asked = json.loads(self.body)["files"]
            modes = [_mode(file["path"], files) for file in asked]
            return self._json({"files": modes})
        if verb == "commit":
            return self._commit(name, repo, revision)
        return self._json({"error": f"this hub has no {verb}"}, 404)

    def _tree(self, files: dict[str, bytes], below: str) -> None:
        asked = parse_qs(self.url.query)
        prefix = f"{below}/" if below else ""
        inside = sorted(path for path in files if path.startswith(prefix))
        if below and not inside:
            return self._missing("Entry")
        folders = sorted(
            {prefix + path.removeprefix(prefix).split("/")[0] for path in inside if "/" in path.removeprefix(prefix)}
        )
        recursive = asked.get("recursive", ["false"])[0].lower() in ("true", "1")
        every = {"/".join(path.split("/")[:at]) for path in inside for at in range(1, path.count("/") + 1)}
        shown = [*inside, *sorted(folder for folder in every if folder.startswith(prefix))] if recursive else folders
        shown += [] if recursive else [path for path in inside if "/" not in path.removeprefix(prefix)]
        start = int(asked.get("cursor", ["0"])[0])
        page = [_entry(path, files) for path in shown[start : start + PAGE]]
        if start + PAGE >= len(shown):
            return self._json(page)
        query = f"recursive={recursive}&expand=False&cursor={start + PAGE}"
        return self._json(page, Link=f'<{self.fake.url}{self.url.path}?{query}>; rel="next"')

    def _batch(self) -> None:
        objects = []
        for asked in json.loads(self.body)["objects"]:
            oid, size = asked["oid"], asked["size"]
            if oid in self.fake.large:
                objects.append({"oid": oid, "size": size})
                continue
            href = f"{self.fake.url}/lfs/{oid}"
            header: dict[str, str] = {}
            if size > PART:
                parts = range(1, -(-size // PART) + 1)
                header = {"chunk_size": str(PART), **{f"{part}": f"{href}/{part}" for part in parts}}
                upload = {"href": f"{href}/complete", "header": header}
            else:
                upload = {"href": href, "header": header}
            verify = {"href": f"{href}/verify"}
            objects.append({"oid": oid, "size": size, "actions": {"upload": upload, "verify": verify}})
        self._json({"transfer": "multipart", "objects": objects})

    def _lfs(self, oid: str, what: str | None) -> None:
        if what == "verify":
            return self._json({}, 200 if oid in self.fake.large else 404)
        if what is not None and what.isdigit():
            self.fake.parts[oid, int(what)] = self.body
            return self._json({}, ETag=f'"{hashlib.md5(self.body).hexdigest()}"')
        content = self.body
        if what == "complete":
            named = [part["partNumber"] for part in json.loads(self.body)["parts"]]
            content = b"".join(self.fake.parts.pop((oid, part)) for part in named)
        if sha256(content) != oid:
            return self._json({"error": "the content does not have this hash"}, 400)
        self.fake.large[oid] = content
        self.fake.sent[oid] += 1
        return self._json({})

    def _commit(self, name: str, repo: Repo, branch: str) -> None:
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, repo.branches[branch]):
            return self._json({"error": "The branch has changed"}, 412)
        files = dict(repo.at(branch))
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.fake.large:
                    return self._json({"error": f"{value['path']} has not arrived"}, 400)
                files[value["path"]] = self.fake.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                return self._json({"error": f"no operation {line['key']}"}, 400)
        files |= {path: content[:-1] + b"?" for path, content in files.items() if path in self.fake.mangled}
        oid = repo.commit(branch, files)
        return self._json(
            {
                "success": True,
                "commitOid": oid,
                "commitUrl": f"{self.fake.url}/{name.removeprefix('models/')}/commit/{oid}",
            }
        )

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repo = self.fake.repos.get(name)
        content = None if repo is None or not repo.has(revision) else repo.at(revision).get(path)
        if repo is None or content is None:
            self._missing("Repo" if repo is None else "Entry" if repo.has(revision) else "Revision")
            return
        entry = _entry(path, repo.at(revision)) or {}
        tag = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": repo.branches.get(revision, revision), "Accept-Ranges": "bytes"}
        headers["X-Linked-Size"] = str(len(content))
        status = 200
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, stop = int(asked[1]), int(asked[2] or len(content) - 1) + 1
            headers["Content-Range"] = f"bytes {start}-{min(stop, len(content)) - 1}/{len(content)}"
            content, status = content[start:stop], 206
        self._bytes(content, status, headers | {"Content-Length": str(len(content))})

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _entry(path: str, files: dict[str, bytes]) -> dict[str, Any] | None:
    if path not in files:
        inside = any(name.startswith(f"{path}/") for name in files)
        return (
            {"type": "directory", "path": path, "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0}
            if inside
            else None
        )
    content = files[path]
    git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry: dict[str, Any] = {"type": "file", "path": path, "oid": git, "size": len(content)}
    if is_large(path):
        entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 130}
    return entry


def _mode(path: str, files: dict[str, bytes]) -> dict[str, Any]:
    there = _entry(path, files)
    oid = None if there is None else there.get("lfs", there)["oid"]
    return {"path": path, "uploadMode": "lfs" if is_large(path) else "regular", "shouldIgnore": False, "oid": oid}
