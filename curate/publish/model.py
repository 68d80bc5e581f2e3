"""The card of a model: its run, its evaluation in the hub's form, and the ablation that chose its data.

    model_readme("runs/model/hf", Settings(repo="ada/small", evaluation="runs/evaluation"))

The part about architecture, training and data is `curate.train.card`'s; this adds what was measured. Evaluations stand
in the front matter as the hub's `model-index` (huggingface/hub-docs, modelcard.md), from which it draws its tables, and
below with their standard errors, which the hub has no place for. Without an evaluation there is none.
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from curate.evaluate.record import MODEL, STEP, weights_digest
from curate.evaluate.results import JSON as RESULTS
from curate.ledger.markdown import table, words
from curate.publish.settings import Settings, write_settings

CONFIG, WEIGHTS, RUN = "config.json", "model.safetensors", "run.json"
DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}  # safetensors' names


def is_model(folder: str) -> bool:
    """Tell a Hugging Face folder of a model from a corpus."""
    return Path(folder, CONFIG).is_file()


def is_exported(card: str) -> bool:
    """Tell whether a card is the one that training leaves beside a model, in place of which a fuller one is written."""
    from curate.train.card import HEADER

    return card.startswith(f"---\n{HEADER}---\n")


def model_readme(folder: str, settings: Settings, below: str = "") -> str:
    """Return README.md of a model's folder.

    Args:
        settings: with `evaluation` and `ablation`, folders as seen from the model's; an evaluation in the model's own
            folder is found by itself.
        below: what a person wrote under an earlier card.

    Raises:
        FileNotFoundError: a folder that was named is not there.
        ValueError: the model is not one of ours, whose card could be written; or its evaluation is of other weights.
    """
    from curate.train.card import model_card

    place = Path(folder).resolve()
    config, num_parameters, dtype = _shape(place)
    results = _results(place, settings)
    more = [text for text in (_evaluation(results), _ablation(place, settings)) if text]
    run = next((parent for parent in place.parents[:2] if (parent / RUN).exists()), None)
    name = settings.repo or "."
    title = settings.name or ""
    header = _header(settings, results, title or settings.repo or place.name)
    said: dict[str, Any] = {"name": name, "header": header, "title": title, "more": more}
    card = model_card(config, num_parameters, dtype, place, run, step=_step(place), **said)
    return f"{card}\n{write_settings(settings, below)}"


def _header(settings: Settings, results: Mapping[str, Any], name: str) -> str:
    header: dict[str, Any] = {"license": settings.license} if settings.license else {}
    header |= {"library_name": "transformers", "pipeline_tag": "text-generation", "tags": ["curate", "llama"]}
    index = [_task(task, measured) for task, measured in results.items() if "/" not in task]
    if index:
        header["model-index"] = [{"name": name, "results": index}]
    written: str = yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=120)
    return written


def _task(task: str, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task as the hub's `model-index` has it."""
    metrics = [
        {"type": "accuracy" if measure == "acc" else measure, "name": measure, "value": round(found["value"], 6)}
        for measure, found in _measures(measured)
    ]
    return {
        "task": {"type": "text-generation"},
        "dataset": {"name": task, "type": task.replace(" ", "_")},
        "metrics": metrics,
    }


def _measures(measured: Mapping[str, Any]) -> list[tuple[str, dict[str, float]]]:
    return [
        (measure, found)
        for measure, found in measured.items()
        if isinstance(found, dict) and isinstance(found.get("value"), int | float) and math.isfinite(found["value"])
    ]


def _results(place: Path, settings: Settings) -> dict[str, Any]:
    folder = place / settings.evaluation
    file = folder / RESULTS
    if not file.exists():
        if settings.evaluation:
            raise FileNotFoundError(f"{folder} holds no {RESULTS}; is it a folder of `curate evaluate`?")
        return {}
    results = {task: found for task, found in json.loads(file.read_text("utf-8")).items() if isinstance(found, dict)}
    _require_same(results.pop(MODEL, {}), place, file)
    return results


def _require_same(measured: Mapping[str, Any], place: Path, file: Path) -> None:
    """Refuse an evaluation that says it is of other weights; an older one that says nothing passes."""
    theirs, ours = measured.get("digest"), weights_digest(place)
    if theirs is not None and theirs != ours:
        raise ValueError(
            f"{file} measured other weights ({measured['path']}, sha256 {theirs[:12]}) than those in {place} "
            f"({ours and ours[:12]}); evaluate this model, or name its own evaluation"
        )


def _evaluation(results: Mapping[str, Any]) -> str:
    rows = []
    for task, measured in results.items():
        if "/" in task:  # a subject of a task
            continue
        for measure, found in _measures(measured):
            chance = f"{measured['chance']:.3f}" if measure.startswith("acc") and measured.get("chance") else ""
            spread = found.get("stderr")
            shown = f"{spread:.4f}" if isinstance(spread, float) else "-"
            rows.append((words(task), measure, f"{found['value']:.4f}", shown, chance, f"{measured['num_items']:,}"))
    if not rows:
        return ""
    head = ("task", "measure", "value", "standard error", "chance", "items")
    return "## Evaluation\n\n" + table(head, rows, num_words=2) + "\n"


def _ablation(place: Path, settings: Settings) -> str:
    """Return the verdicts of the ablation by which the model's data was chosen."""
    if not settings.ablation:
        return ""
    file = place / settings.ablation / RESULTS
    if not file.exists():
        raise FileNotFoundError(f"{settings.ablation} holds no {RESULTS}; is it a folder of `curate ablate`?")
    found = json.loads(file.read_text("utf-8"))
    if "comparisons" not in found:
        raise ValueError(f"{file} holds no comparisons; is {settings.ablation} a folder of `curate ablate`?")
    rows = [_verdict(one) for one in found["comparisons"] if not one.get("exploratory")]
    head = ("measure", "data", "against", "difference", "95 % interval", "verdict")
    said = "Small models were trained alike on each data set, in paired seeds, and held against each other."
    notes = "\n".join(f"- {words(note)}" for note in (*found.get("advice", ()), *found.get("warnings", ())))
    parts = ["## How its data was chosen", said, table(head, rows, num_words=3)]
    return "\n\n".join([*parts, *([notes] if notes else [])]) + "\n"


def _verdict(one: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = one.get("low"), one.get("high")
    interval = f"[{low:+.4f}, {high:+.4f}]" if isinstance(low, float) and isinstance(high, float) else "-"
    names = (words(f"{one['measure']}"), words(f"{one['arm']}"), words(f"{one['baseline']}"))
    return (*names, f"{one['difference']:+.4f}", interval, f"{one['verdict']}")


def _step(place: Path) -> int | None:
    """Return the step of its run that a model is of, as its export says."""
    step: int | None = json.loads((place / CONFIG).read_text("utf-8")).get(STEP)
    return step


def _shape(place: Path) -> tuple[Any, int, str]:
    """Return the model's configuration, parameters and kind of numbers, from its files."""
    from curate.train.model import ModelConfig

    found = json.loads((place / CONFIG).read_text("utf-8"))
    if found.get("model_type") != "llama" or not (place / WEIGHTS).exists():
        raise ValueError(f"{place} is no model that `curate pretrain` exported: it wants a Llama in {WEIGHTS}")
    config = ModelConfig(
        vocab_size=found["vocab_size"],
        hidden_size=found["hidden_size"],
        num_layers=found["num_hidden_layers"],
        num_heads=found["num_attention_heads"],
        num_kv_heads=found["num_key_value_heads"],
        ffn_size=found["intermediate_size"],
        max_seq_len=found["max_position_embeddings"],
        rope_theta=found.get("rope_theta", 10_000.0),
        norm_eps=found["rms_norm_eps"],
    )
    with (place / WEIGHTS).open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))  # safetensors: its header's length, then the header
        header: dict[str, Any] = json.loads(file.read(length))
    tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
    return config, sum(_count(tensor["shape"]) for tensor in tensors), _dtype(tensors)


def _dtype(tensors: Sequence[Mapping[str, Any]]) -> str:
    names = sorted({DTYPES.get(tensor["dtype"], tensor["dtype"]) for tensor in tensors})
    return ", ".join(names)


def _count(shape: Sequence[int]) -> int:
    return math.prod(shape)
