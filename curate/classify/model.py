"""A fitted classifier: gate, encoder and head, their calibrations, and the two files they are kept in.

    model = read_model("runs/edu/model")
    model.score(texts)                      # (N,) float32 on the rubric's scale
    model.score(texts, part="gate")         # forty times cheaper, a little worse
    model.score(texts, languages=["Rust"])  # calibrated for files that are not of the model's own languages
    model.certify(0.9)                      # the cut that keeps 90 % of what the teacher would call good

`model.json` says what it is and how good (readable, with the cross-validated numbers); `model.npz` holds plain arrays
and no pickled object, among them the held-out scores of the graded documents, from which any promise and any cut can
be judged later without the texts. The digest covers everything that a score or a cut depends on.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from curate.classify.calibration import Calibration
from curate.classify.cascade import Certificate, HeldOut, Reach, certify
from curate.classify.embedding import Encoder
from curate.classify.gate import Gate, Look
from curate.classify.head import Head

Part = Literal["mean", "gate", "head"]
PARTS: tuple[Part, ...] = get_args(Part)
GATE_SHARE = 0.6  # of the mean; on the web grades F1 .879, .878, .875, .866 with .5, .6, .7, .85 and .847 with the gate
FORMAT = 2
ELSEWHERE = "elsewhere."


@dataclass(frozen=True, eq=False)
class Model:
    """What `fit` learnt."""

    classifier: str  # the prefix of its score column
    at_least: int  # the grade at which its scores were calibrated
    gate: Gate
    head: Head
    encoder: Encoder
    calibrations: Mapping[Part, Calibration]
    reach: Reach  # how far the encoder may move the gate's grade in the cascade
    held_out: HeldOut  # what promises rest on
    gate_share: float = GATE_SHARE  # of the mean
    how: str = "cross-validated"  # or "held out": where the held-out scores come from
    about: Mapping[str, Any] = field(default_factory=dict)  # grades, metrics: what scores do not depend on
    languages: tuple[str, ...] = ()  # that `calibrations` are for; empty: for every document
    elsewhere: Mapping[Part, Calibration] = field(default_factory=dict)  # for documents of other languages
    taught: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))  # keys of texts without held-out scores

    def score(
        self, texts: Sequence[str], part: Part = "mean", languages: Sequence[str | None] | None = None
    ) -> np.ndarray:
        """Return (N,) float32: calibrated scores of the gate, of the encoder with its head, or of both.

        Args:
            languages: of the texts, in any case; None where nothing is known of any: the model's own are assumed.
        """
        raw_gate = self.gate.score(texts) if part != "head" else None
        return self.finish(raw_gate, self.encoder(texts) if part != "gate" else None, part, languages)

    def finish(
        self,
        raw_gate: np.ndarray | None,
        vectors: np.ndarray | None,
        part: Part,
        languages: Sequence[str | None] | None = None,
    ) -> np.ndarray:
        """Return (N,) float32 calibrated scores from what the gate said, (N,), and the encoder's vectors, (N, dim)."""
        raw: dict[str, np.ndarray] = {}
        if raw_gate is not None:
            raw["gate"] = raw_gate
        if vectors is not None:
            raw["head"] = self.head.score(vectors)
        value, apart = mixed(raw, self.gate_share)[part], outside(languages, self.languages)
        scores = self.calibrations[part](value)
        return scores if apart is None else np.where(apart, self.elsewhere[part](value), scores)

    def certify(self, recall: float, part: Literal["cascade", "mean", "gate", "head"] = "cascade") -> Certificate:
        """Return the cut that keeps at least `recall` of what the teacher would call good, with 95 % confidence.

        Raises:
            ValueError: there are too few random labels for this promise; says how many are needed.
        """
        options = {"reach": self.reach, "at_least": self.at_least, "how": self.how}
        return certify(self.held_out, recall, part=part, **options)  # type: ignore[arg-type]

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
        biases = {"gate_bias": self.gate.bias, "head_bias": self.head.bias, "head_gamma": self.head.gamma}
        return {
            "format": FORMAT,
            "classifier": self.classifier,
            "at_least": self.at_least,
            "encoder": self.encoder.settings(),
            "gate_share": self.gate_share,
            "reach": asdict(self.reach),
            "how": self.how,
        } | (biases | {"languages": list(self.languages)} if self.languages else biases)

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {
            "gate.weights": self.gate.weights,
            "gate.idf": self.gate.idf,
            "look.mean": self.gate.look.mean,
            "look.scale": self.gate.look.scale,
            "look.landmarks": self.gate.look.landmarks,
            "look.coefficients": self.gate.look.coefficients,
            "head.landmarks": self.head.landmarks,
            "head.coefficients": self.head.coefficients,
        }
        arrays |= {f"held_out.{entry.name}": getattr(self.held_out, entry.name) for entry in fields(HeldOut)}
        for prefix, curves in (("", self.calibrations), (ELSEWHERE, self.elsewhere)):
            for part, curve in curves.items():
                arrays |= {f"{prefix}{part}.raw": curve.raw, f"{prefix}{part}.grade": curve.grade}
        return arrays | {"taught": self.taught} if len(self.taught) else arrays


def outside(languages: Iterable[str | None] | None, own: Sequence[str]) -> np.ndarray | None:
    """Return (N,) bool: which documents are not of a model's own languages; None where every one counts as such."""
    if languages is None or not own:
        return None
    known = {name.casefold() for name in own}
    return np.array([(language or "").casefold() not in known for language in languages], dtype=bool)


def mixed(raw: Mapping[str, np.ndarray], gate_share: float) -> dict[str, np.ndarray]:
    """Add the weighted mean of gate and head where both are there."""
    if len(raw) < 2:
        return dict(raw)
    return dict(raw) | {"mean": gate_share * raw["gate"] + (1 - gate_share) * raw["head"]}


def read_model(path: str | Path) -> Model:
    """Read a model: a folder that `fit` wrote, or the common stem of the two files.

    Raises:
        ValueError: the files are missing, of another format, or do not belong together.
    """
    stem = Path(path) / "model" if Path(path).is_dir() else Path(path)
    if not (_file(stem, "json").is_file() and _file(stem, "npz").is_file()):
        raise ValueError(f"{path} holds no fitted classifier (model.json, model.npz); write one with `curate fit`")
    settings = json.loads(_file(stem, "json").read_text())
    if settings.get("format") != FORMAT:
        raise ValueError(f"{_file(stem, 'json')} is of another version of curate; fit it again from its grades")
    with np.load(_file(stem, "npz"), allow_pickle=False) as arrays:
        model = Model(
            classifier=settings["classifier"],
            at_least=settings["at_least"],
            gate=Gate(
                arrays["gate.weights"],
                arrays["gate.idf"],
                Look(*(arrays[f"look.{entry.name}"] for entry in fields(Look))),
                settings["gate_bias"],
            ),
            head=Head(
                arrays["head.landmarks"], arrays["head.coefficients"], settings["head_bias"], settings["head_gamma"]
            ),
            encoder=Encoder(**settings["encoder"]),
            calibrations=_curves(arrays),
            reach=Reach(**settings["reach"]),
            held_out=HeldOut(*(arrays[f"held_out.{entry.name}"] for entry in fields(HeldOut))),
            gate_share=settings["gate_share"],
            how=settings["how"],
            about=settings["about"],
            languages=tuple(settings.get("languages", ())),
            elsewhere=_curves(arrays, ELSEWHERE) if settings.get("languages") else {},
            taught=arrays["taught"] if "taught" in arrays else np.zeros(0, np.uint64),
        )
    if model.digest != settings["digest"]:
        raise ValueError(f"{_file(stem, 'npz')} is not the file that {stem.name}.json describes; copy both again")
    return model


def _curves(arrays: Mapping[str, np.ndarray], prefix: str = "") -> dict[Part, Calibration]:
    return {p: Calibration(arrays[f"{prefix}{p}.raw"], arrays[f"{prefix}{p}.grade"]) for p in PARTS}


def _file(stem: Path, kind: str) -> Path:
    return stem.with_name(f"{stem.name}.{kind}")
