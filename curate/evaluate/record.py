"""Which model was measured: its place, the step it was trained to, and the SHA-256 of its weights.

    evaluated("runs/anneal/hf")     # Evaluated(path="runs/anneal/hf", step=31, digest="9c1f...", revision=None)

A path alone can come to mean another model: a training that goes on writes new weights to the same place. The digest
cannot. Of one file it is what `sha256sum model.safetensors` prints, which is also how the hub names the file; of
several, what `sha256sum model-*.safetensors | sha256sum` prints in that folder. It costs one read of the weights.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

MODEL = "model"  # the key of results.json that is no task
STEP = "curate_step"  # of config.json, as our export writes it
WHOLE = ("model.safetensors", "pytorch_model.bin")  # in the order in which transformers looks for them
PARTS = ("model-*-of-*.safetensors", "pytorch_model-*-of-*.bin")


@dataclass(frozen=True)
class Evaluated:
    """One model, as an evaluation met it."""

    path: str  # as it was given: a folder, or a name on the hub
    step: int | None  # of the training that exported it; None of a model that does not say
    digest: str | None  # SHA-256 of its weights, 64 hexadecimal digits; None of a model on the hub
    revision: str | None  # commit of a model on the hub


def evaluated(model_dir: str | os.PathLike[str]) -> Evaluated:
    """Return what is known of a folder, or of a name on the hub, that transformers can load a model from."""
    from transformers import AutoConfig

    config, folder = AutoConfig.from_pretrained(model_dir), Path(model_dir)
    revision = None if folder.is_dir() else getattr(config, "_commit_hash", None)
    return Evaluated(os.fspath(model_dir), getattr(config, STEP, None), weights_digest(folder), revision)


def weights_digest(folder: Path) -> str | None:
    """Return the digest of a folder's weights; None where there are none that transformers would load."""
    files = weight_files(folder)
    digests = [_sha256(file) for file in files]
    if len(files) < 2:
        return digests[0] if digests else None
    told = "".join(f"{digest}  {file.name}\n" for digest, file in zip(digests, files, strict=True))
    return hashlib.sha256(told.encode()).hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """Return the files that hold a model's weights, in order."""
    for name, pattern in zip(WHOLE, PARTS, strict=True):
        if (folder / name).is_file():
            return [folder / name]
        if parts := sorted(folder.glob(pattern)):
            return parts
    return []


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
