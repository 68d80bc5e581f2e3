"""`curate card` and `curate publish` as a user types them."""

from pathlib import Path

import pytest

from curate import cli
from tests.publish.hub import FakeHub


def test_card_writes_and_checks(edu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "CARD.md")
    cli.card(str(edu), out=out, license="odc-by")
    assert capsys.readouterr().out == f"{out}\n"
    cli.card(str(edu), out=out, check=True)
    assert capsys.readouterr().out == f"{out} agrees with the data\n"


def test_publish_shows_the_plan_and_says_how_to_go_on(
    edu: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    cli.publish(str(edu), "hf://datasets/ada/edu")
    said = capsys.readouterr().out
    assert "4 files" in said
    assert said.endswith("nothing was uploaded; add --yes to do it\n")
    with pytest.raises(ValueError, match="contradict each other"):
        cli.publish(str(edu), "hf://datasets/ada/edu", yes=True, dry_run=True)
    assert hub.requests == []
