"""A fitted classifier: gate, encoder and head, their calibrations, and the two files they are kept in.

    model = read_model("runs/edu/model")
    model.score(texts)                      # (N,) float32 on the rubric's scale
    model.score(texts, part="gate")         # a thousand times cheaper, a little worse

`model.json` says what it is and how good (readable, with the cross-validated numbers); `model.npz` holds plain arrays
and no pickled object. The digest covers everything that a score depends on.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from curate.classify.calibration import Calibration
from curate.classify.embedding import Encoder
from curate.classify.gate import Gate
from curate.classify.head import Head

Part = Literal["mean", "gate", "head"]
PARTS: tuple[Part, ...] = get_args(Part)
GATE_SHARE = (
    0.7  # of the mean; on the web grades F1 0.834, 0.840, 0.852 with 0.5, 0.6, 0.7 and 0.835 with the gate alone
)
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Model:
    """What `fit` learnt."""

    classifier: str  # the prefix of its score column
    at_least: int  # the grade at which its scores were calibrated
    gate: Gate
    head: Head
    encoder: Encoder
    calibrations: Mapping[Part, Calibration]
    about: Mapping[str, Any] = field(default_factory=dict)  # grades, metrics: what scores do not depend on

    def score(self, texts: Sequence[str], part: Part = "mean") -> np.ndarray:
        """Return (N,) float32: calibrated scores of the gate, of the encoder with its head, or of both."""
        raw = {}
        if part != "head":
            raw["gate"] = self.gate.score(texts)
        if part != "gate":
            raw["head"] = self.head.score(self.encoder(texts))
        return self.calibrations[part](mixed(raw)[part])

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change with anything a score depends on."""
        sha = hashlib.sha256(json.dumps(self._settings(), sort_keys=True).encode())
        for name, array in sorted(self._arrays().items()):
            sha.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()[:16]

    def write(self, path: str | Path) -> None:
        """Write `path`.npz and `path`.json, the second last."""
        stem = Path(path)
        stem.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(_file(stem, "npz"), allow_pickle=False, **self._arrays())
        text = json.dumps({"digest": self.digest} | self._settings() | {"about": self.about}, indent=2)
        _file(stem, "json").write_text(text + "\n")

    def _settings(self) -> dict[str, Any]:
        encoder = asdict(self.encoder)
        del encoder["batch_size"]  # changes no score
        biases = {"gate_bias": self.gate.bias, "head_bias": self.head.bias, "head_gamma": self.head.gamma}
        return {
            "format": FORMAT,
            "classifier": self.classifier,
            "at_least": self.at_least,
            "encoder": encoder,
            "gate_share": GATE_SHARE,
        } | biases

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {
            "gate.weights": self.gate.weights,
            "gate.idf": self.gate.idf,
            "head.landmarks": self.head.landmarks,
            "head.coefficients": self.head.coefficients,
        }
        for part, curve in self.calibrations.items():
            arrays |= {f"{part}.raw": curve.raw, f"{part}.grade": curve.grade}
        return arrays


def mixed(raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Add the weighted mean of gate and head where both are there."""
    if len(raw) < 2:
        return dict(raw)
    return dict(raw) | {"mean": GATE_SHARE * raw["gate"] + (1 - GATE_SHARE) * raw["head"]}


def read_model(path: str | Path) -> Model:
    """Read a model: a folder that `fit` wrote, or the common stem of the two files.

    Raises:
        ValueError: the files are missing, of another format, or do not belong together.
    """
    stem = Path(path) / "model" if Path(path).is_dir() else Path(path)
    if not (_file(stem, "json").is_file() and _file(stem, "npz").is_file()):
        raise ValueError(f"{path} holds no fitted classifier (model.json, model.npz); write one with `curate fit`")
    settings = json.loads(_file(stem, "json").read_text())
    if (settings.get("format"), settings.get("gate_share")) != (FORMAT, GATE_SHARE):
        raise ValueError(f"{_file(stem, 'json')} is of another version of curate; fit it again from its grades")
    with np.load(_file(stem, "npz"), allow_pickle=False) as arrays:
        model = Model(
            classifier=settings["classifier"],
            at_least=settings["at_least"],
            gate=Gate(arrays["gate.weights"], arrays["gate.idf"], settings["gate_bias"]),
            head=Head(
                arrays["head.landmarks"], arrays["head.coefficients"], settings["head_bias"], settings["head_gamma"]
            ),
            encoder=Encoder(**settings["encoder"]),
            calibrations={part: Calibration(arrays[f"{part}.raw"], arrays[f"{part}.grade"]) for part in PARTS},
            about=settings["about"],
        )
    if model.digest != settings["digest"]:
        raise ValueError(f"{_file(stem, 'npz')} is not the file that {stem.name}.json describes; copy both again")
    return model


def _file(stem: Path, kind: str) -> Path:
    return stem.with_name(f"{stem.name}.{kind}")
