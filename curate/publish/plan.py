"""What publishing would do: files, what stays behind, what the hub has, what speaks against it, and the card.

    print(plan("runs/edu", "hf://datasets/ada/edu"))

Nothing is changed anywhere. Where the hub cannot be asked (no token, no network) the plan is of what lies here, and
says so. Only files of the same size as what the hub has are read, to tell whether they are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from curate.amounts import size
from curate.publish.dataset import CARD, build_card
from curate.publish.files import File, LeftOut, corpus_files, is_same, left_out, model_files
from curate.publish.hub import Hub, Remote
from curate.publish.model import is_model, model_readme
from curate.publish.refuse import Refusal, allowed, refusals, warnings
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
        whole = f"{len(data):,} files, {size(sum(file.size for file in data))}, and the card"
        lines = [f"{self.source} -> {self.target}: {whole}", f"  {self._place()}"]
        upload = tuple(sizes) if self.remote is None else ()
        compared = {"new": self.new, "replaced": self.replaced, "there already": self.same}
        for title, paths in ({"to upload": upload} | compared).items():
            lines += _listed(title, [f"{path}  {size(sizes[path])}" for path in paths])
        lines += _listed("deleted" if self.delete else "there, and not of this corpus", self.stale)
        lines += [f"  {self.kept:,} other files of the repository stay as they are"] if self.kept else []
        lines += [f"  left behind: {each.num:,} files, {size(each.size)}: {each.why}" for each in self.left]
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
    refused = tuple(each for each in against if each.allow not in allowed(allow))
    said = [*warnings(found, shards, behind), *(f"allowed: {each.why}" for each in against if each not in refused)]
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
        elif there.size == file.size and is_same(file, there.sha256, there.blob_id):
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


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    more = [f"    ... and {len(lines) - LISTED:,} more"] if len(lines) > LISTED else []
    return [f"  {title}: {len(lines):,}", *(f"    {line}" for line in lines[:LISTED]), *more]


def _preview(lines: Sequence[str]) -> list[str]:
    """Return the beginning of a card as people see it, below its header."""
    start = lines.index("---", 1) + 1 if lines[:1] == ["---"] and "---" in lines[1:] else 0
    body = [line for line in lines[start:] if line]
    return body[:CARD_LINES] + (["..."] if len(body) > CARD_LINES else [])
