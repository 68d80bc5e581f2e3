"""Onto a hub and back: everything, once, in one commit, whatever happens on the way."""

import shutil
from pathlib import Path

import fsspec
import pytest

from curate.corpus import Corpus
from curate.publish import Publication, Published, publish
from curate.publish.dataset import build_card
from curate.publish.settings import Settings, own_version
from tests.publish.hub import READ_TOKEN, FakeHub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")  # huggingface_hub 2.4 and httpx2
URL = "hf://datasets/ada/edu"
REPO = "datasets/ada/edu"


def shards(corpus: Path, folder: str = "data") -> dict[str, bytes]:
    return {f"{folder}/{Path(file).name}": Path(file).read_bytes() for file in Corpus(corpus).files}


def put(corpus: Path | str, hub: FakeHub, url: str = URL, **options: object) -> Published:
    done = publish(str(corpus), url, yes=True, endpoint=hub.url, say=lambda _: None, **options)
    assert isinstance(done, Published)
    return done


def test_without_yes_the_plan_tells_everything_and_nothing_is_changed(edu: Path, hub: FakeHub) -> None:
    planned = publish(str(edu), URL, endpoint=hub.url)
    assert isinstance(planned, Publication)
    assert hub.repos == {}
    assert not any(request.startswith(("PUT", "POST")) for request in hub.requests)
    assert planned.new == (
        "data/00000.parquet",
        "data/00001.parquet",
        "data/00002.parquet",
        "data/00003.parquet",
        "README.md",
    )
    told = str(planned)
    assert "a new private repository, made by ada" in told
    assert "left behind: 1 files" in told
    assert "what was dropped: evidence" in told
    assert "21 documents in 4 Parquet files" in told


def test_a_corpus_is_published_byte_for_byte_in_one_commit(edu: Path, hub: FakeHub) -> None:
    done = put(edu, hub)
    repo = hub.repos[REPO]
    there = repo.at("main")
    assert repo.private
    assert {path: there[path] for path in there if path.endswith(".parquet")} == shards(edu / "5-final")
    assert sorted(set(there) - set(shards(edu / "5-final"))) == [".gitattributes", "README.md"]
    assert (done.commit, done.uploaded, len(repo.commits)) == (repo.branches["main"], 5, 2)


def test_published_again_there_is_nothing_to_do(edu: Path, hub: FakeHub) -> None:
    put(edu, hub)
    again = put(edu, hub)
    assert (again.commit, again.uploaded) == ("", 0)
    assert len(hub.repos[REPO].commits) == 2
    assert "nothing was changed" in str(again)


def test_a_stopped_upload_shows_nothing_and_goes_on_without_sending_twice(edu: Path, hub: FakeHub) -> None:
    def stop(line: str) -> None:
        if " of 5 files" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(str(edu), URL, yes=True, endpoint=hub.url, say=stop)
    assert list(hub.repos[REPO].at("main")) == [".gitattributes"]
    put(edu, hub)
    assert len(hub.repos[REPO].commits) == 2
    assert set(hub.sent.values()) == {1}


def test_what_fails_on_the_way_is_asked_again(edu: Path, hub: FakeHub) -> None:
    hub.fail("GET /api/whoami", 500)
    hub.fail("preupload", 429)
    hub.fail("PUT /lfs", "reset")
    hub.fail("tree", "reset")
    put(edu, hub)
    assert not any(fault.times for fault in hub.faults)
    assert {path for path in hub.repos[REPO].at("main") if path.endswith("parquet")} == set(shards(edu / "5-final"))


@pytest.mark.parametrize("how", [503, "reset", "lost"])
def test_a_commit_that_fails_or_whose_answer_is_lost_is_made_once(edu: Path, hub: FakeHub, how: int | str) -> None:
    hub.fail("/commit/", how)
    done = put(edu, hub)
    assert len(hub.repos[REPO].commits) == 2
    assert done.commit == hub.repos[REPO].branches["main"]


def test_a_hub_that_refuses_contents_leaves_nothing_half_published(edu: Path, hub: FakeHub) -> None:
    hub.fail("PUT /lfs", 403)
    with pytest.raises(PermissionError, match="hf://datasets/ada/edu is not yours to write"):
        put(edu, hub)
    assert list(hub.repos[REPO].at("main")) == [".gitattributes"]


def test_somebody_elses_commit_meanwhile_is_not_overwritten(edu: Path, hub: FakeHub) -> None:
    def meanwhile(line: str) -> None:
        if " of 5 files" in line:
            repo = hub.repos[REPO]
            repo.commit("main", {**repo.at("main"), "theirs.txt": b"hello"})

    with pytest.raises(RuntimeError, match="are not those that were sent"):
        publish(str(edu), URL, yes=True, endpoint=hub.url, say=meanwhile)
    assert sorted(hub.repos[REPO].at("main")) == [".gitattributes", "theirs.txt"]


def test_what_the_hub_holds_afterwards_is_held_against_what_was_sent(edu: Path, hub: FakeHub) -> None:
    hub.mangled = {"data/00002.parquet"}
    with pytest.raises(RuntimeError, match=r"1 files there are not those that were sent \(data/00002.parquet\)"):
        put(edu, hub)


def test_a_damaged_shard_is_found_before_anything_is_sent(edu: Path, hub: FakeHub, tmp_path: Path) -> None:
    shutil.copytree(edu, tmp_path / "edu")
    shard = tmp_path / "edu/5-final/00001.parquet"
    content = bytearray(shard.read_bytes())
    content[2000] ^= 255
    shard.write_bytes(content)
    with pytest.raises(ValueError, match=r"00001.parquet.* is damaged"):
        put(tmp_path / "edu", hub)
    assert hub.repos == {}


def test_what_nobody_looked_for_is_not_published_unless_it_is_allowed(edu: Path, hub: FakeHub) -> None:
    with pytest.raises(ValueError, match=r"no receipt shows e-mail and IP addresses replaced.*--allow addresses"):
        put(edu / "3-unique", hub)
    assert hub.repos == {}
    put(edu / "3-unique", hub, allow=["addresses"])
    with pytest.raises(ValueError, match="--allow everything: there are addresses, secrets, unfinished, unknown"):
        put(edu / "3-unique", hub, allow=["everything"])


def test_an_unfinished_corpus_is_not_published(edu: Path, hub: FakeHub, tmp_path: Path) -> None:
    shutil.copytree(edu, tmp_path / "edu")
    (tmp_path / "edu/5-final/00003.parquet").unlink()
    with pytest.raises(ValueError, match=r"lacks 1 shards of the corpus before it \(00003, ...\)"):
        put(tmp_path / "edu", hub)


def test_files_that_no_run_made_are_refused_as_unknown(edu: Path, hub: FakeHub) -> None:
    with pytest.raises(ValueError, match="was not made by a run of curate"):
        put(edu.parent / "in", hub)
    put(edu.parent / "in", hub, allow=["unknown"])
    assert "how they came to be is not on record" in hub.repos[REPO].at("main")["README.md"].decode()


def test_only_public_makes_or_adds_to_what_everybody_reads(edu: Path, hub: FakeHub) -> None:
    put(edu, hub, public=True)
    assert not hub.repos[REPO].private
    hub.repos[REPO].commit("main", {})
    with pytest.raises(ValueError, match="is public: everybody can read"):
        put(edu, hub)


def test_data_of_another_corpus_there_must_be_deleted_on_purpose(edu: Path, hub: FakeHub) -> None:
    there = {"data/old.parquet": b"old", "data/00001.parquet": b"another", "notes.txt": b"mine"}
    hub.create(REPO).commit("main", there)
    planned = publish(str(edu), URL, endpoint=hub.url)
    assert isinstance(planned, Publication)
    assert (planned.stale, planned.replaced, planned.kept) == (("data/old.parquet",), ("data/00001.parquet",), 1)
    with pytest.raises(ValueError, match=r"1 data files that are not of this corpus \(data/old.parquet\)"):
        put(edu, hub)
    done = put(edu, hub, delete=True)
    assert (done.uploaded, done.deleted) == (5, 1)
    assert sorted(hub.repos[REPO].at("main")) == sorted([*shards(edu / "5-final"), "README.md", "notes.txt"])


def test_a_revision_and_a_subfolder_are_made_and_main_stays(edu: Path, hub: FakeHub) -> None:
    put(edu, hub, "hf://datasets/lab/edu@v2/2024")
    repo = hub.repos["datasets/lab/edu"]
    assert list(repo.at("main")) == [".gitattributes"]
    there = repo.at("v2")
    assert {path for path in there if path.endswith("parquet")} == set(shards(edu / "5-final", "2024/data"))
    assert "path: 2024/data/**/*.parquet" in there["2024/README.md"].decode()


def test_words_by_hand_on_the_hub_stay_under_the_new_card(edu: Path, hub: FakeHub, tmp_path: Path) -> None:
    put(edu, hub, license="odc-by")
    repo = hub.repos[REPO]
    card = repo.at("main")["README.md"] + b"\nThanks to everybody.\n"
    repo.commit("main", {**repo.at("main"), "README.md": card})
    put(edu, hub, name="Marbles")
    now = repo.at("main")["README.md"].decode()
    assert now.endswith("\nThanks to everybody.\n")
    assert "license: odc-by\n" in now
    assert "# Marbles\n" in now


@pytest.mark.parametrize(
    ("token", "url", "why"),
    [
        (None, URL, "the hub asks who you are; log in with `hf auth login`"),
        ("hf_wrong", URL, "the hub does not know this token"),
        (READ_TOKEN, URL, "the token of ada may only read"),
        ("hf_write", "hf://datasets/bob/edu", "ada cannot write to repositories of bob; name one of ada or lab"),
    ],
)
def test_who_may_not_write_is_told_so_and_still_sees_the_plan(
    edu: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, token: str | None, url: str, why: str
) -> None:
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    else:
        monkeypatch.setenv("HF_TOKEN", token)
    planned = publish(str(edu), url, endpoint=hub.url)
    assert why in str(planned)
    with pytest.raises((PermissionError, ConnectionError), match=why):
        put(edu, hub, url)
    assert hub.repos == {}


def test_a_model_and_a_corpus_go_each_to_their_own_kind(edu: Path, hub: FakeHub) -> None:
    with pytest.raises(ValueError, match="publish a corpus to hf://datasets/ada/edu"):
        put(edu, hub, "hf://ada/edu")


def test_a_corpus_that_lies_elsewhere_is_fetched_on_the_way(edu: Path, hub: FakeHub) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(f"{edu}/", "/bucket/edu/", recursive=True)
    try:
        put("memory://bucket/edu", hub)
        assert {path for path in hub.repos[REPO].at("main") if path.endswith("parquet")} == set(shards(edu / "5-final"))
        here = build_card(str(edu), Settings(repo="ada/edu", curate=own_version()))
        assert hub.repos[REPO].at("main")["README.md"].decode() == here
    finally:
        memory.rm("/bucket", recursive=True)


def test_the_client_offline_by_its_own_setting_is_told_so(
    edu: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="HF_HUB_OFFLINE forbids asking the hub"):
        put(edu, hub)
    assert hub.requests == []
