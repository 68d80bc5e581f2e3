"""Cards on disk: written, written again, and held against what they describe.

write_card("runs/edu", license="odc-by")      runs/edu/README.md
write_card("runs/model/hf", evaluation="runs/evaluation")
check_card("runs/edu")                        raises if that card no longer agrees with the data
"""

import difflib
import os
from dataclasses import replace
from pathlib import Path

import fsspec

from curate.publish.dataset import CARD, build_card
from curate.publish.model import is_exported, is_model, model_readme
from curate.publish.settings import Settings, own_version, read_settings
from curate.storage import info, read_bytes

SHOWN = 10  # lines that differ


def write_card(
    path: str,
    out: str | None = None,
    *,
    name: str = "",
    license: str = "",
    repo: str = "",
    evaluation: str = "",
    ablation: str = "",
) -> str:
    """Write the card of a corpus, a run or a model and return where; what an earlier card there was told is kept.

    Args:
        out: the card; PATH/README.md by default.
        name: of the corpus or model; the folder's by default.
        license: the hub's name of it, such as odc-by.
        repo: USER/NAME, for the examples.
        evaluation: of a model, folder of `curate evaluate`; the model's own by default.
        ablation: of a model, folder of the `curate ablate` that chose its data.

    Raises:
        ValueError: somebody else wrote what is there; or the data contradicts its receipts.
    """
    target = out or card_path(path)
    there = _text(target)
    settings, below = read_settings(there)
    if there and settings == Settings() and not is_exported(there):
        raise ValueError(
            f"{target} was not written by `curate card`, and would be lost; move it away, or write the card elsewhere "
            "with -o"
        )
    said = {"name": name, "license": license, "repo": repo}
    said |= {"evaluation": _from(path, evaluation), "ablation": _from(path, ablation)}
    card = card_of(path, replace(settings.told(**said), curate=own_version()), below)
    with fsspec.open(target, "w", encoding="utf-8", newline="\n") as file:
        file.write(card)
    return target


def check_card(path: str, out: str | None = None) -> str:
    """Hold a card against the data it describes, and return where it lies.

    Raises:
        FileNotFoundError: there is no card.
        ValueError: it is not what would be written now; the first lines that differ are named.
    """
    target = out or card_path(path)
    there = _text(target)
    if not there:
        raise FileNotFoundError(f"{target} is not there; `curate card {path}` writes it")
    settings, below = read_settings(there)
    if settings == Settings():
        raise ValueError(
            f"{target} was not written by `curate card`; move it away, or write the card elsewhere with -o"
        )
    now = card_of(path, settings, below)
    if now != there:
        raise ValueError(
            f"{target} no longer agrees with the data; `curate card {path}` writes it anew.\n{differences(there, now)}"
        )
    return target


def card_of(path: str, settings: Settings, below: str) -> str:
    """Return the card of what is at a path, a model or a corpus."""
    return model_readme(path, settings, below) if is_model(path) else build_card(path, settings, below)


def card_path(path: str) -> str:
    """Return where the card of a corpus, run or model lies."""
    known = info(path)
    if known is not None and known["type"] == "file":
        raise ValueError(f"{path} is one file; a card describes a folder: give the corpus, or say -o CARD.md")
    return f"{str(path).rstrip('/')}/{CARD}"


def differences(there: str, now: str) -> str:
    """Return the first lines in which two cards differ."""
    lines = difflib.unified_diff(there.splitlines(), now.splitlines(), "card", "data", n=0, lineterm="")
    changed = [line for line in lines if line[:2] not in ("--", "++", "@@")]
    return "\n".join(line[:200] for line in changed[:SHOWN]) + ("\n..." if len(changed) > SHOWN else "")


def _from(model: str, folder: str) -> str:
    """Return a folder as seen from the model's, so that a card tells nothing of the machine it was written on."""
    return os.path.relpath(Path(folder).resolve(), Path(model).resolve()) if folder else ""


def _text(path: str) -> str:
    return read_bytes(path).decode("utf-8") if info(path) is not None else ""
