"""The hub as a publication needs it: who asks, what is there, one commit, and every failure as one sentence.

Requests, tokens and endpoint are `huggingface_hub`'s: `hf auth login` or HF_TOKEN, HF_ENDPOINT. It repeats uploads that
fail on the way (connections, 429, 5xx), but not the commit, which could then be made twice. Ours names the commit it
builds on, so that the hub itself refuses a second one; after a lost answer the hub is asked what became of it.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from curate.publish.files import File, on_this_machine
from curate.publish.target import MAIN, Target

T = TypeVar("T")

ATTEMPTS = 5
WAIT_S = 0.5  # before the second attempt, doubled each time
TRANSIENT = (408, 429, 500, 502, 503, 504)
CHANGED = (409, 412)  # the branch is no longer where it was
BATCH_FILES = 16  # uploaded at a time; a stop loses what is on the wire
LOGIN = "log in with `hf auth login`, or set HF_TOKEN to a token that may write"


@dataclass(frozen=True)
class There:
    """A file on the hub."""

    size: int
    sha256: str | None  # of a large file
    blob_id: str  # git's name of the content of a small one


@dataclass(frozen=True)
class Remote:
    """What a repository holds; `sha` is None where there is none, `branch` False where only the branch is new."""

    user: str
    sha: str | None = None
    private: bool | None = None
    branch: bool = True
    files: dict[str, There] = field(default_factory=dict)


class Hub:
    """One place on the hub."""

    def __init__(self, target: Target, endpoint: str | None = None) -> None:
        from huggingface_hub import HfApi

        self.target = target
        self.api = HfApi(endpoint=endpoint, library_name="curate")
        self.at: dict[str, Any] = {"repo_id": target.repo, "repo_type": target.kind}

    def look(self) -> Remote:
        """Return who asks, and what is there.

        Raises:
            PermissionError: no token, or one that may not write here.
            ConnectionError: no answer.
        """
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

        user = self._user()
        try:
            return self._remote(user, self.target.revision)
        except RevisionNotFoundError:
            main = self._remote(user, MAIN)
            return Remote(user, main.sha, main.private, branch=False, files=main.files)
        except RepositoryNotFoundError:
            return Remote(user)

    def _user(self) -> str:
        from huggingface_hub import get_token

        if get_token() is None:
            raise PermissionError(f"the hub asks who you are; {LOGIN}")
        known = self._ask("who you are", self.api.whoami)
        owner = self.target.repo.split("/")[0]
        names = [known["name"], *(each["name"] for each in known.get("orgs", []))]
        role = (known.get("auth", {}).get("accessToken") or {}).get("role")
        if role == "read":
            raise PermissionError(f"the token of {known['name']} may only read; {LOGIN}")
        if owner not in names:
            raise PermissionError(
                f"{known['name']} cannot write to repositories of {owner}; name one of {' or '.join(names)}, or {LOGIN}"
            )
        return str(known["name"])

    def _remote(self, user: str, revision: str) -> Remote:
        info = self._ask("what is there", lambda: self.api.repo_info(**self.at, revision=revision))
        return Remote(user, info.sha, info.private, files=self.tree(f"{info.sha}"))

    def tree(self, revision: str) -> dict[str, There]:
        """Return every file of a revision."""
        listed = self._ask("what is there", lambda: list(self._list(revision)))
        files = [entry for entry in listed if hasattr(entry, "blob_id")]
        return {file.path: There(file.size, file.lfs.sha256 if file.lfs else None, file.blob_id) for file in files}

    def _list(self, revision: str) -> Any:
        return self.api.list_repo_tree(**self.at, revision=revision, recursive=True)

    def read(self, path: str, revision: str) -> str:
        """Return a small file of the repository."""
        with tempfile.TemporaryDirectory(prefix="curate-publish-") as folder:
            fetched: dict[str, Any] = {"filename": path, "revision": revision, "local_dir": folder}
            file = self._ask(path, lambda: self.api.hf_hub_download(**self.at, **fetched))
            return Path(f"{file}").read_bytes().decode("utf-8")

    def create(self, remote: Remote, *, private: bool) -> str:
        """Make the repository and the branch that are not there yet; return the commit to build on."""
        sha = remote.sha
        if sha is None:
            self._ask("a repository", lambda: self.api.create_repo(**self.at, private=private, exist_ok=True))
            sha = self._ask("what is there", lambda: self.api.repo_info(**self.at).sha)
        if self.target.revision != MAIN and (remote.sha is None or not remote.branch):
            name = self.target.revision
            self._ask("a branch", lambda: self.api.create_branch(**self.at, branch=name, revision=sha, exist_ok=True))
        return str(sha)

    def send(self, files: Sequence[File], digests: dict[str, str], told: Callable[[int, int], None]) -> list[Any]:
        """Upload contents, which nobody sees before they are committed; what the hub has already is not sent again.

        Returns: the additions to commit.
        """
        from huggingface_hub import CommitOperationAdd

        additions: list[Any] = []
        sent = 0
        for start in range(0, len(files), BATCH_FILES):
            batch = files[start : start + BATCH_FILES]
            with on_this_machine(batch) as contents:
                some = [CommitOperationAdd(file.path, content) for file, content in zip(batch, contents, strict=True)]
                for addition in some:
                    addition.upload_info.sha256 = bytes.fromhex(digests[addition.path_in_repo])
                self._once(lambda: self._preupload(some))  # noqa: B023  called here
                for addition, file, content in zip(some, batch, contents, strict=True):
                    if addition.path_or_fileobj and isinstance(content, str) and content != file.local:
                        addition.path_or_fileobj = Path(content).read_bytes()  # gone at the end of this block
            additions += some
            sent += sum(file.size for file in batch)
            told(len(additions), sent)
        return additions

    def _preupload(self, additions: Sequence[Any]) -> None:
        self.api.preupload_lfs_files(
            repo_id=self.target.repo,
            repo_type=self.target.kind,
            additions=additions,
            revision=self.target.revision,
        )

    def commit(self, additions: Sequence[Any], deleted: Sequence[str], *, parent: str, message: str) -> str:
        """Make everything visible at once, on top of the commit that was looked at; return the new commit.

        Raises:
            RuntimeError: somebody else has committed meanwhile.
        """
        from huggingface_hub import CommitOperationDelete

        operations = [*additions, *(CommitOperationDelete(path, is_folder=False) for path in deleted)]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                made = self.api.create_commit(
                    **self.at,
                    operations=operations,
                    commit_message=message,
                    revision=self.target.revision,
                    parent_commit=parent,
                )
                return str(made.oid)
            except Exception as error:  # the client's errors are of several libraries
                if status_of(error) not in (None, *TRANSIENT, *CHANGED):
                    raise self.sentence(error) from error
                head = self._ask("what became of it", self._head)
                if head != parent:
                    return head  # ours, if its files are; the caller looks
                if attempt == ATTEMPTS or not is_transient(error):
                    raise self.sentence(error) from error
                time.sleep(WAIT_S * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def _head(self) -> str:
        return str(self.api.repo_info(**self.at, revision=self.target.revision).sha)

    def _ask(self, what: str, request: Callable[[], T]) -> T:
        """Make a request, again where it failed on the way; absence is raised as it is."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return request()
            except Exception as error:  # as above
                if is_absence(error):
                    raise
                if not is_transient(error) or attempt == ATTEMPTS:
                    raise self.sentence(error) from error
                time.sleep(WAIT_S * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def _once(self, request: Callable[[], T]) -> T:
        """Make a request that the client repeats by itself."""
        try:
            return request()
        except Exception as error:  # as above
            raise self.sentence(error) from error

    def sentence(self, error: BaseException) -> Exception:
        """Return a failure as one sentence: what, where, and what to do now."""
        from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled

        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ is not None else error
        status, told = status_of(cause), " ".join(str(cause).split())[:300]
        if isinstance(cause, LocalTokenNotFoundError) or status == 401:
            return PermissionError(f"the hub does not know this token; {LOGIN}")
        if status == 403:
            return PermissionError(f"{self.target} is not yours to write: {_reason(cause)}; {LOGIN}")
        if status in CHANGED:
            return RuntimeError(
                f"{self.target} was changed by somebody else meanwhile; look at the new plan and run again"
            )
        if status in (400, 413, 422):
            return ValueError(f"the hub refuses this for {self.target}: {_reason(cause)}")
        if is_absence(cause):
            return FileNotFoundError(f"{self.target} is no longer there ({told}); run again to make it")
        if isinstance(cause, OfflineModeIsEnabled):
            return ConnectionError("HF_HUB_OFFLINE forbids asking the hub; unset it to publish")
        if "xet" in told and "404" in told:
            return ConnectionError(
                f"{self.api.endpoint} has no Xet storage; set HF_HUB_DISABLE_XET=1 to upload as LFS does"
            )
        again = "nothing is visible there yet; run the same again: what has arrived is not sent twice"
        if status == 429:
            return ConnectionError(f"the hub asks for fewer requests and went on doing so ({told}); {again}")
        if is_transient(cause):
            return ConnectionError(
                f"the hub gives no answer for {self.target} ({type(cause).__name__}: {told}); {again}"
            )
        return RuntimeError(f"{self.target}: {type(cause).__name__}: {told}")


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of an answer that was an error."""
    return getattr(getattr(error, "response", None), "status_code", None)


def is_absence(error: BaseException) -> bool:
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    return isinstance(error, RepositoryNotFoundError | RevisionNotFoundError)


def is_transient(error: BaseException) -> bool:
    """Tell whether a failure is of the way, not of the request; the client's library of HTTP is not ours to name."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    status = status_of(error)
    if status is not None:
        return status in TRANSIENT
    if isinstance(error, OfflineModeIsEnabled):
        return False
    return isinstance(error, ConnectionError | TimeoutError) or type(error).__module__.startswith("httpx")


def _reason(error: BaseException) -> str:
    """Return what the hub itself said."""
    told = getattr(error, "server_message", None) or f"{error}"
    return " ".join(f"{told}".split())[:300]
