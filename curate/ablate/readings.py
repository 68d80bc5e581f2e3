"""What each arm reads with the budget, how often, and what a reader of the verdict must know of it.

    for one in readings(design, prepared): print(one.arm, one.epochs)

At equal tokens a small corpus is read more often than a large one. Up to four times that costs little (Muennighoff et
al. 2023, data-constrained scaling); beyond, the comparison is of sizes as well as of texts, which is said.
"""

from dataclasses import dataclass

from curate.ablate.design import Arm, Design
from curate.ablate.prepare import Prepared

MANY_EPOCHS = 4  # up to here repeated data are nearly as good as new
UNLIKE_EPOCHS = 2  # times as many in one arm as in another


@dataclass(frozen=True)
class Reading:
    """What an arm holds and how often it is read."""

    arm: str
    documents: int
    num_tokens: int
    held_out: int  # documents taken out
    benchmarks: int
    epochs: float  # of the most repeated of its folders
    share: float  # of the folder's documents that was drawn; the smallest of its folders


def readings(design: Design, prepared: Prepared) -> list[Reading]:
    """Return what each arm reads with the design's budget."""
    return [_reading(arm, design, prepared) for arm in design.arms]


def _reading(arm: Arm, design: Design, prepared: Prepared) -> Reading:
    parts = [prepared.parts[path] for path in arm.sources]
    budget = design.steps * design.batch_tokens / sum(arm.sources.values())
    epochs = [budget * weight / prepared.parts[path].num_tokens for path, weight in arm.sources.items()]
    return Reading(
        arm.name,
        sum(part.documents for part in parts),
        sum(part.num_tokens for part in parts),
        sum(part.held_out for part in parts),
        sum(part.benchmarks for part in parts),
        max(epochs),
        min(part.share for part in parts),
    )


def warnings(design: Design, prepared: Prepared) -> list[str]:
    """Return what a reader of the result must know, in sentences."""
    found = readings(design, prepared)
    said = [
        f"{one.arm} is read {one.epochs:.1f} times; beyond {MANY_EPOCHS} epochs repeated text teaches little "
        "(Muennighoff et al. 2023): the arm is judged by its size, too"
        for one in found
        if one.epochs > MANY_EPOCHS
    ]
    most, least = max(found, key=lambda one: one.epochs), min(found, key=lambda one: one.epochs)
    if most.epochs > 1 and most.epochs > UNLIKE_EPOCHS * least.epochs:
        said.append(
            f"{most.arm} is read {most.epochs:.1f} times, {least.arm} {least.epochs:.1f} times: "
            "the verdict is about this budget, and a larger one favours the larger arm"
        )
    contents = {arm.name: sorted((t, w) for t, w in prepared.blend(arm.sources).items()) for arm in design.arms}
    for name, content in contents.items():
        if name != design.baseline and content == contents[design.baseline]:
            said.append(f"{name} and {design.baseline} are the same folders: they train the same models")
    if prepared.held.from_arms:
        said.append(
            "the held-out sets are drawn from the arms (an equal number of each, taken out of all): they measure how "
            "well each arm prepares for text like the arms', not for text in general; --held-out gives others"
        )
    return said
