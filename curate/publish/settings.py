"""What a card says that no data tells: name, licence, where it is published. Said once, kept in the card itself.

The last lines of a card are a comment with these settings, and below it what a person has written. Both are read back
when the card is written or checked again, so nobody has to say them twice and no prose is lost.
"""

import json
import re
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

COMMENT = re.compile(r"^<!-- curate card (\{.*\}) -->$", re.MULTILINE)
BELOW = "<!-- What stands below is yours: it is kept when this card is written again. -->"


@dataclass(frozen=True)
class Settings:
    """What was said about a card."""

    name: str = ""  # as the hub shows it; the folder's by default
    license: str = ""  # the hub's name of it, such as odc-by
    repo: str = ""  # USER/NAME, for the examples
    subfolder: str = ""  # of the repository
    evaluation: str = ""  # of a model: folder of its evaluation, as seen from the model's
    ablation: str = ""  # of a model: folder of the ablation by which its data was chosen, likewise
    curate: str = ""  # version that wrote the card

    def told(self, **said: str) -> "Settings":
        """Return these settings with what was said now."""
        return replace(self, **{name: value for name, value in said.items() if value})


def read_settings(card: str) -> tuple[Settings, str]:
    """Return what a card was written with, and what a person wrote below it; nothing of a card that is not ours."""
    found = COMMENT.search(card)
    if found is None:
        return Settings(), ""
    known = {name: value for name, value in json.loads(found[1]).items() if name in Settings.__dataclass_fields__}
    return Settings(**known), card[found.end() :].partition(BELOW)[2].strip("\n")


def write_settings(settings: Settings, below: str) -> str:
    """Return the end of a card."""
    said: dict[str, Any] = {name: value for name, value in asdict(settings).items() if value}
    safe = json.dumps(said, sort_keys=True).replace(">", "\\u003e")  # nothing can end the comment
    end = f"<!-- curate card {safe} -->\n{BELOW}\n"
    return end + (f"\n{below}\n" if below else "")


def own_version() -> str:
    return version("curate")
