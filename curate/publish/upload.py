"""A corpus or a model onto the hub: a plan first, and nothing before somebody says yes.

    print(plan("runs/edu", "hf://datasets/ada/edu"))          what would be uploaded, replaced, left behind; why not
    publish("runs/edu", "hf://datasets/ada/edu", yes=True)    does it

A plan is what one gets without asking for more, because a public upload cannot be taken back. A new repository is
private unless `public` says otherwise. Everything becomes visible in one commit, made when all contents have arrived:
whoever reads meanwhile sees the old corpus or the new one. Stopped anywhere, the same call goes on; the hub knows
contents by their hash and takes none twice. Before it, every shard is read against its checksums; after it, the hub's
listing is held against the files here, size and hash. Trade-off: one commit of very many files is slow for the hub,
whose advice is a hundred files at a time; it is our only way to show no half of a corpus.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from curate.amounts import size
from curate.publish.files import digests, is_same, verify
from curate.publish.hub import Hub
from curate.publish.plan import Publication, plan
from curate.publish.settings import own_version
from curate.publish.target import Target


@dataclass(frozen=True)
class Published:
    """What was done."""

    target: Target
    commit: str  # empty where the hub had everything already
    url: str
    uploaded: int
    deleted: int

    def __str__(self) -> str:
        if not self.commit:
            return f"{self.target} holds exactly this already; nothing was changed. {self.url}"
        gone = f", {self.deleted:,} deleted" if self.deleted else ""
        return (
            f"{self.target}: {self.uploaded:,} files uploaded{gone} in commit {self.commit[:10]}; sizes and hashes on "
            f"the hub are those of the files here. {self.url}"
        )


def publish(
    source: str,
    url: str,
    *,
    yes: bool = False,
    public: bool = False,
    delete: bool = False,
    allow: Sequence[str] = (),
    name: str = "",
    license: str = "",
    endpoint: str | None = None,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Publication | Published:
    """Publish, if `yes`; else return the plan. The options are those of `plan`.

    Raises:
        ValueError: something speaks against it; or a shard is damaged.
        PermissionError: the hub does not let this user.
        ConnectionError: the hub gave no answer; run again.
        RuntimeError: somebody else changed the repository meanwhile, or what arrived is not what was sent.
    """
    options = {"public": public, "delete": delete, "allow": allow, "name": name, "license": license}
    planned = plan(source, url, **options, endpoint=endpoint)  # type: ignore[arg-type]
    if not yes:
        return planned
    say(f"{planned}")
    _insist_on(planned)
    return _upload(planned, Hub(planned.target, endpoint), say)


def _insist_on(planned: Publication) -> None:
    """Raise what speaks against going on.

    Raises:
        PermissionError, ConnectionError: the hub could not be asked.
        ValueError: a refusal stands, or the repository is more public than was said.
    """
    if planned.remote is None:
        raise ConnectionError(planned.unknown)
    if planned.refusals:
        raise ValueError("not published: " + "; ".join(map(str, planned.refusals)))
    if planned.remote.sha is not None and not planned.remote.private and not planned.public:
        raise ValueError(f"{planned.target} is public: everybody can read what is added; say --public if that is meant")
    if planned.stale and not planned.delete:
        raise ValueError(
            f"{planned.target} holds {len(planned.stale):,} data files that are not of this corpus "
            f"({planned.stale[0]}) and would be read as part of it; --delete deletes "
            "them in the same commit, or publish into a subfolder"
        )


def _upload(planned: Publication, hub: Hub, say: Callable[[str], None]) -> Published:
    assert planned.remote is not None
    wanted = {*planned.new, *planned.replaced}
    files = [file for file in planned.files if file.path in wanted]
    deleted = planned.stale if planned.delete else ()
    kind = "datasets/" if planned.target.kind == "dataset" else ""
    url = f"{hub.api.endpoint}/{kind}{planned.target.repo}"
    if not files and not deleted and planned.remote.branch:
        return Published(planned.target, "", url, 0, 0)
    say("reading every shard against its checksum")
    verify(planned.files)
    known = digests(files)
    parent = hub.create(planned.remote, private=not planned.public)
    total = sum(file.size for file in files)
    additions = hub.send(
        files, known, lambda n, sent: say(f"{n:,} of {len(files):,} files, {size(sent)} of {size(total)}")
    )
    message = f"{planned.target.kind} published by curate {own_version()}"
    commit = hub.commit(additions, deleted, parent=parent, message=message)
    _verify_there(planned, hub, commit, known, deleted)
    return Published(planned.target, commit, url, len(files), len(deleted))


def _verify_there(planned: Publication, hub: Hub, commit: str, known: dict[str, str], deleted: Sequence[str]) -> None:
    """Hold the hub's listing against the files here.

    Raises:
        RuntimeError: something is missing or different there.
    """
    there = hub.tree(commit)
    wrong = [path for path in deleted if path in there]
    for file in planned.files:
        found = there.get(file.path)
        if found is None or found.size != file.size:
            wrong.append(file.path)
            continue
        if file.path in known and not is_same(file, found.sha256, found.blob_id, known[file.path]):
            wrong.append(file.path)
    if wrong:
        raise RuntimeError(
            f"{planned.target}, commit {commit[:10]}: {len(wrong):,} files there are not those that were sent "
            f"({wrong[0]}); look at the repository, and run the same again"
        )
