"""What an ablation compares and what it keeps equal: the arms, the budget, the model.

    arms = read_arms(["raw=clean", "edu=scored", "mix=clean:0.7,scored:0.3"])
    design = Design(arms, num_tokens=50_000_000, model="5m")

An arm is a corpus, or several with weights, under a name. Everything else is one value for all arms, so that what
differs between two models is the text they read. The design is written into OUT/run.json: the same command goes on
where it stopped, another design into the same folder is refused. The number of seeds is not part of it, so seeds can
be added until a difference is resolved or seen to be small.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.train.model import Size

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # a folder's name on every system
VOCABULARIES = {"1m": 4096, "5m": 8192, "15m": 8192, "30m": 16_384}  # that the sizes are meant for; the others' is
LARGE_VOCABULARY = 49_152  # SmolLM's


@dataclass(frozen=True)
class Arm:
    """A name and what is read under it: folders of documents, or of tokens, with their weights."""

    name: str
    sources: Mapping[str, float]


@dataclass(frozen=True)
class Design:
    """All that decides what is trained, next to the seeds."""

    arms: tuple[Arm, ...]
    baseline: str
    num_tokens: int
    model: "str | Size" = "5m"
    seq_len: int = 512
    batch_tokens: int = 8192
    lr: float | None = None
    vocab_size: int | None = None
    anneal: str | None = None  # a checkpoint that all arms start from, in place of random weights

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if len(names) < 2:
            raise ValueError(f"an ablation compares two arms or more, and {len(names)} is given: raw=clean edu=scored")
        if self.baseline not in names:
            raise ValueError(f"the baseline {self.baseline!r} is no arm; there are {', '.join(names)}")
        if self.batch_tokens % self.seq_len:
            raise ValueError(f"a batch of {self.batch_tokens:,} tokens is no whole number of windows of {self.seq_len}")
        if self.num_tokens < self.batch_tokens:
            raise ValueError(
                f"{self.num_tokens:,} tokens are less than one step of {self.batch_tokens:,}; raise --tokens"
            )

    @property
    def sources(self) -> tuple[str, ...]:
        """Every folder that an arm reads, once."""
        return tuple(dict.fromkeys(path for arm in self.arms for path in arm.sources))

    @property
    def steps(self) -> int:
        return -(-self.num_tokens // self.batch_tokens)

    @property
    def vocabulary(self) -> int:
        """Tokens to learn where no tokenizer is given."""
        if self.vocab_size is not None:
            return self.vocab_size
        return VOCABULARIES.get(self.model, LARGE_VOCABULARY) if isinstance(self.model, str) else LARGE_VOCABULARY


def read_arms(said: Sequence[str]) -> tuple[Arm, ...]:
    """Read `NAME=PATH`, or `NAME=PATH:WEIGHT,PATH:WEIGHT` for a mixture.

    Raises:
        ValueError: no name, a name that cannot be a folder's, one name twice, or a weight that is no positive number.
    """
    return tuple(Arm(name, read_mixture(place)) for name, place in named(said, "arm", "raw=clean").items())


def named(said: Sequence[str], what: str, example: str) -> dict[str, str]:
    """Read `NAME=PATH` for each; names are different, also where capitals do not count, and can be folders' names."""
    found: dict[str, str] = {}
    for one in said:
        name, equals, place = one.partition("=")
        if not equals or not place:
            raise ValueError(f"{one!r} should be a name and a path, such as {example}")
        check_name(name, what)
        if name.lower() in {known.lower() for known in found}:
            raise ValueError(f"two have the name {name!r}; give each {what} its own")
        found[name] = place
    return found


def check_name(name: str, what: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(f"the {what} {name!r} becomes a folder: begin with a letter or digit, then also . _ and -")


def read_mixture(place: str) -> dict[str, float]:
    """Read `PATH`, or `PATH:WEIGHT,PATH:WEIGHT`; a path with a comma in it cannot be part of a mixture."""
    parts = place.split(",")
    if len(parts) == 1 and not re.search(r":[0-9.]+$", place):
        return {place: 1.0}
    found: dict[str, float] = {}
    for part in parts:
        path, colon, weight = part.rpartition(":")
        try:
            share = float(weight) if colon else 0.0
        except ValueError:
            share = 0.0
        if not share > 0:
            raise ValueError(f"{part!r} of a mixture needs a positive weight, such as clean:0.7")
        if path in found:
            raise ValueError(f"{path} is twice in one mixture; name it once, with the weight of both")
        found[path] = share
    return found
