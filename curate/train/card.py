"""The card of a model, written from its run's files: no number in it was typed by hand.

`run.json` says what was trained on what, `log.jsonl` how the loss went, `evaluations.jsonl` what was measured on
held-out data on the way. A model annealed from another run tells that run too, as long as its folder is where it was.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curate.ledger.markdown import table
from curate.train.log import EVALUATIONS, LOG, read_log
from curate.train.model import ModelConfig

LAST_SHARE = 0.1  # of the steps, over which the stated loss is the mean


HEADER = "library_name: transformers\npipeline_tag: text-generation\ntags: [curate, llama]\n"


def model_card(
    config: ModelConfig,
    num_parameters: int,
    dtype: str,
    checkpoint: Path,
    run: Path | None,
    *,
    step: int | None = None,
    name: str = ".",
    header: str = HEADER,
    title: str = "",
    more: Sequence[str] = (),
) -> str:
    """Return README.md with the hub's header.

    Args:
        step: steps of the run that the model has; all there are by default.
        name: what `from_pretrained` is to be given.
        header: lines of the front matter.
        title: of the card; its size by default.
        more: sections that others have to add, before the limits.
    """
    parts = [
        f"---\n{header}---\n",
        f"# {title or f'A language model of {num_parameters:,} parameters'}\n",
        _use(name),
        _architecture(config, dtype),
    ]
    if run is not None and (run / "run.json").exists():
        parts += [_run_section(folder, number, steps) for number, (folder, steps) in enumerate(_runs(run, step), 1)]
        parts.append(_evaluations(run, step))
    else:
        parts.append(f"The run that made this model is not known; it is checkpoint `{checkpoint.name}`.\n")
    parts += more
    parts.append(
        "## Limits\n\nThis is a base model: it goes on with a text, and was not trained to follow instructions or to "
        "be safe, though its tokenizer has a template for chats. What it knows, and what it gets wrong, comes from the "
        "corpora above.\n"
    )
    return "\n".join(part for part in parts if part)


def _use(name: str) -> str:
    return (
        "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'tokenizer = AutoTokenizer.from_pretrained("{name}")\n'
        f'model = AutoModelForCausalLM.from_pretrained("{name}")\n'
        'inputs = tokenizer("Gravity is", return_tensors="pt")\n'
        "print(tokenizer.decode(model.generate(**inputs, max_new_tokens=40)[0]))\n```\n"
    )


def _architecture(config: ModelConfig, dtype: str) -> str:
    return (
        f"Llama: {config.num_layers} layers of {config.hidden_size}, {config.num_heads} heads "
        f"({config.num_kv_heads} of keys and values), feed-forward {config.ffn_size} (SwiGLU), tied embeddings of "
        f"{config.vocab_size:,} tokens, context {config.max_seq_len:,}, RoPE base {config.rope_theta:g}; {dtype}.\n"
    )


def _runs(run: Path, step: int | None) -> list[tuple[Path, int | None]]:
    """Return the runs that led here, the first one first, and the steps of each that the model has."""
    runs, here = {run: step}, run
    while (origin := _json(here / "run.json").get("annealed_from")) is not None:
        here = Path(origin["path"]).parents[1]  # RUN/checkpoints/step-000100
        if not (here / "run.json").exists() or here in runs:
            break
        runs[here] = origin["step"]
    return list(runs.items())[::-1]


def _run_section(run: Path, number: int, steps: int | None) -> str:
    recipe, log = _json(run / "run.json"), _lines(run, LOG)[:steps]
    plan = recipe["plan"]
    origin = recipe.get("annealed_from")
    title = "Training" if origin is None else f"Decay, from step {origin['step']:,}"
    tokens = len(log) * plan["batch_windows"] * plan["seq_len"]
    lines = [
        f"## {number}. {title}\n",
        f"- {len(log):,} of {plan['steps']:,} steps of {plan['batch_windows']} x {plan['seq_len']} tokens: {tokens:,}",
        f"- optimizer {_settings(plan['optimizer'])}",
        f"- schedule {_settings(plan['schedule'])}; seed {plan['seed']}",
    ]
    losses = [float(line["loss"]) for line in log]
    if losses:
        last = losses[-max(round(LAST_SHARE * len(losses)), 1) :]
        lines.append(
            f"- loss {losses[0]:.3f} at the first step, {sum(last) / len(last):.3f} over the last tenth (nats)"
        )
    if origin is not None and not Path(origin["path"]).exists():
        lines.append(f"- from `{Path(origin['path']).name}` of a run that is no longer beside this one")
    return "\n".join(lines) + "\n\n" + _data_table(recipe["data"])


def _settings(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _data_table(phases: Sequence[dict[str, Any]]) -> str:
    rows = []
    for phase in phases:
        until = "the end" if phase["until"] is None else f"step {phase['until']:,}"
        whole = sum(part["weight"] for part in phase["data"])
        for part in phase["data"]:
            name = Path(part["path"]).name
            rows.append((until, name, f"{part['weight'] / whole:.3f}", f"{part['num_tokens']:,}"))
    return table(("until", "corpus", "share", "tokens in it"), rows, num_words=2) + "\n"


def _evaluations(run: Path, step: int | None) -> str:
    measured = [line for line in _lines(run, EVALUATIONS) if step is None or line["step"] <= step]
    if not measured:
        return ""
    last = measured[-1]
    names = [name for name in last if name not in ("step", "tokens")]
    rows = [(name, f"{_value(last[name]):.4f}") for name in names]
    return f"## Held-out data, at step {last['step']:,}\n\n" + table(("measure", "value"), rows) + "\n"


def _value(found: Any) -> float:
    """Return a number, also of an estimate written as {"value": ..., "stderr": ...}."""
    return float(found["value"] if isinstance(found, dict) else found)


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _lines(run: Path, name: str) -> list[dict[str, Any]]:
    return [dict(line) for line in read_log(run, name)] if (run / name).exists() else []
