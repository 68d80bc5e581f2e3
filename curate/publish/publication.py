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
from dataclasses import dataclass, replace

from curate.publish.dataset import CARD, build_card
from curate.publish.files import File, LeftOut, blob_id, corpus_files, digests, left_out, model_files, sha256, verify
from curate.publish.hub import Hub, Remote, There
from curate.publish.model import is_model, model_readme
from curate.publish.refuse import Refusal, refusals, warnings
from curate.publish.settings import Settings, own_version, read_settings
from curate.publish.subset import subsets
from curate.publish.target import Target, parse_target
from curate.storage import info, read_bytes

CARD_LINES = 16  # of the card, in a plan
LISTED = 12  # files of a kind, in a plan


@dataclass(frozen=True)
class Publication:
    """What publishing would do; `print` it.

    Attributes:
        files: everything that is to be there, the card last.
        new, replaced, same: their paths, by what the hub has.
        stale: data files there that are not of this corpus, in the folders that it is read from.
        kept: how many other files of the repository stay as they are.
        remote: None where the hub could not be asked; `unknown` says why.
    """

    source: str
    target: Target
    files: tuple[File, ...]
    left: tuple[LeftOut, ...]
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    public: bool
    delete: bool
    folders: tuple[str, ...] = ()  # in the repository, whose files `datasets` reads as this corpus
    remote: Remote | None = None
    unknown: str = ""
    new: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    kept: int = 0

    @property
    def card(self) -> str:
        return (self.files[-1].content or b"").decode("utf-8")

    def __str__(self) -> str:
        sizes = {file.path: file.size for file in self.files}
        data = self.files[:-1]
        whole = f"{len(data):,} files, {_size(sum(file.size for file in data))}, and the card"
        lines = [f"{self.source} -> {self.target}: {whole}", f"  {self._place()}"]
        for title, paths in (("new", self.new), ("replaced", self.replaced), ("there already", self.same)):
            lines += _listed(title, [f"{path}  {_size(sizes[path])}" for path in paths], len(paths))
        if self.remote is None:
            lines += _listed("to upload", [f"{file.path}  {_size(file.size)}" for file in self.files], len(self.files))
        lines += _listed("deleted" if self.delete else "there, and not of this corpus", self.stale, len(self.stale))
        lines += [f"  {self.kept:,} other files of the repository stay as they are"] if self.kept else []
        lines += [f"  left behind: {each.num:,} files, {_size(each.size)}: {each.why}" for each in self.left]
        lines += [f"  warning: {said}" for said in self.warnings]
        lines += [f"  refused: {said}" for said in self.refusals]
        shown = self.card.splitlines()
        preview = [f"  | {line}" for line in _preview(shown)]
        return "\n".join([*lines, f"  the card, {len(shown):,} lines:", *preview])

    def _place(self) -> str:
        if self.remote is None:
            return f"the hub could not be asked: {self.unknown}"
        visible = "private" if self.remote.private else "public"
        if self.remote.sha is None:
            return f"a new {'public' if self.public else 'private'} repository, made by {self.remote.user}"
        branch = "" if self.remote.branch else f", with a new branch {self.target.revision}"
        return f"a {visible} repository that is there, at {self.remote.sha[:10]}{branch}; by {self.remote.user}"


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


def plan(
    source: str,
    url: str,
    *,
    public: bool = False,
    delete: bool = False,
    allow: Sequence[str] = (),
    name: str = "",
    license: str = "",
    endpoint: str | None = None,
) -> Publication:
    """Return what publishing would do. Asks the hub what is there, and changes nothing.

    Args:
        source: a run, one of its corpora, a folder of Parquet, or a model's folder.
        url: see `curate.publish.target`.
        public: whether a new repository is public, and an existing public one may be added to.
        delete: delete the data files there that are not of this corpus.
        allow: words of refusals that are known and accepted.
        name: of the corpus or model, for the card.
        license: the hub's name of it, such as odc-by, for the card.
        endpoint: of the hub; HF_ENDPOINT by default.

    Raises:
        FileNotFoundError, ValueError: there is nothing to publish, or not to such a place.
    """
    target = parse_target(url)
    local = _local(source, target, public=public, delete=delete, allow=allow)
    try:
        remote = Hub(target, endpoint).look()
    except (PermissionError, ConnectionError) as error:
        local = replace(local, unknown=f"{error}")
        return _with_card(local, "", name, license)
    before = _there_card(remote, target, endpoint)
    return _compared(_with_card(local, before, name, license), remote)


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


def _local(source: str, target: Target, *, public: bool, delete: bool, allow: Sequence[str]) -> Publication:
    """Return what there is to publish, before the hub is asked; the card is still empty."""
    empty = File(target.place(CARD), "", 0, b"")
    if is_model(source):
        if target.kind != "model":
            raise ValueError(f"{source} is a model; publish it to hf://{target.repo}, not to datasets/")
        files, left = model_files(source, target)
        return Publication(source, target, (*files, empty), tuple(left), (), (), public, delete)
    if target.kind != "dataset":
        raise ValueError(f"{source} is no model with config.json; publish a corpus to hf://datasets/{target.repo}")
    found = subsets(source)
    shards, behind = corpus_files(found, target), left_out(found)
    if not sum(subset.size.rows for subset in found):
        raise ValueError(f"{source} holds no document; there is nothing to publish")
    against = refusals(found)
    unknown = sorted(set(allow) - {"unknown", "addresses", "secrets", "unfinished"})
    if unknown:
        raise ValueError(f"--allow {unknown[0]}: there are addresses, secrets, unfinished and unknown")
    refused = tuple(each for each in against if each.allow not in allow)
    said = [*warnings(found, shards, behind), *(f"allowed: {each.why}" for each in against if each.allow in allow)]
    folders = tuple(f"{target.place(subset.folder)}/" for subset in found)
    return Publication(source, target, (*shards, empty), tuple(behind), refused, tuple(said), public, delete, folders)


def _with_card(planned: Publication, before: str, name: str, license: str) -> Publication:
    """Write the card, with what an earlier one was told: the one beside the corpus, else the one on the hub."""
    path = f"{planned.source.rstrip('/')}/{CARD}"
    here = read_bytes(path).decode("utf-8") if (info(path) or {}).get("type") == "file" else ""
    settings, below = read_settings(here)
    if settings == Settings():
        settings, below = read_settings(before)
    target = planned.target
    said = {"name": name, "license": license, "repo": target.repo, "subfolder": target.subfolder}
    settings = replace(settings.told(**said), curate=own_version())
    if target.kind == "model":
        card = model_readme(planned.source, settings, below)
    else:
        card = build_card(planned.source, settings, below)
    content = card.encode("utf-8")
    foreign = before and read_settings(before)[0] == Settings()
    warning = (f"{CARD} on the hub was not written by curate, and is replaced",) if foreign else ()
    files = (*planned.files[:-1], File(planned.files[-1].path, "", len(content), content))
    return replace(planned, files=files, warnings=(*planned.warnings, *warning))


def _there_card(remote: Remote, target: Target, endpoint: str | None) -> str:
    path = target.place(CARD)
    return Hub(target, endpoint).read(path, remote.sha or "") if path in remote.files else ""


def _compared(planned: Publication, remote: Remote) -> Publication:
    """Hold the files against what the hub has; only those of equal size are read."""
    new, replaced, same = [], [], []
    for file in planned.files:
        there = remote.files.get(file.path)
        if there is None:
            new.append(file.path)
        elif there.size == file.size and _equal(file, there.sha256, there.blob_id):
            same.append(file.path)
        else:
            replaced.append(file.path)
    ours = {file.path for file in planned.files}
    data = (path for path in remote.files if path.endswith(".parquet") and path.startswith(planned.folders))
    stale = sorted(set(data) - ours)
    kept = len(remote.files) - len(stale) - len(ours & set(remote.files))
    return replace(
        planned,
        remote=remote,
        new=tuple(new),
        replaced=tuple(replaced),
        same=tuple(same),
        stale=tuple(stale),
        kept=kept,
    )


def _equal(file: File, digest: str | None, blob: str) -> bool:
    if digest is not None:
        return sha256(file) == digest
    content = file.content if file.content is not None else read_bytes(file.local)
    return blob_id(content) == blob


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
        files, known, lambda n, size: say(f"{n:,} of {len(files):,} files, {_size(size)} of {_size(total)}")
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
        whole = found is not None and found.size == file.size
        if found is None or not whole or (file.path in known and not _arrived(file, found, known[file.path])):
            wrong.append(file.path)
    if wrong:
        raise RuntimeError(
            f"{planned.target}, commit {commit[:10]}: {len(wrong):,} files there are not those that were sent "
            f"({wrong[0]}); look at the repository, and run the same again"
        )


def _arrived(file: File, there: There, digest: str) -> bool:
    return there.sha256 == digest if there.sha256 is not None else _equal(file, None, there.blob_id)


def _listed(title: str, lines: Sequence[str], num: int) -> list[str]:
    if not num:
        return []
    more = [f"    ... and {num - LISTED:,} more"] if num > LISTED else []
    return [f"  {title}: {num:,}", *(f"    {line}" for line in lines[:LISTED]), *more]


def _preview(lines: Sequence[str]) -> list[str]:
    """Return the beginning of a card as people see it, below its header."""
    start = lines.index("---", 1) + 1 if lines[:1] == ["---"] and "---" in lines[1:] else 0
    body = [line for line in lines[start:] if line]
    return body[:CARD_LINES] + (["..."] if len(body) > CARD_LINES else [])


def _size(num: int) -> str:
    return f"{num / 1e9:,.2f} GB" if num >= 1e9 else f"{num / 1e6:,.2f} MB" if num >= 1e5 else f"{num:,} bytes"
