"""Evaluate a model: suites of public benchmarks, files of one's own, held-out text by domain.

    results = evaluate("runs/annealed/model", tasks=pick("smollm"), data="eval/", texts={"edu": texts}, limit=500)
    print(format_results(results))

Everything measured is written, task by task, so that two models can be compared item by item; see
`curate.evaluate.results`.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.cluster import TASK_MEMORY, map_units, on_ray
from curate.evaluate import code as code_tasks
from curate.evaluate.cloze import Suite, make_cloze
from curate.evaluate.generate import require_room
from curate.evaluate.model import Dtype, require_model
from curate.evaluate.parts import Finished, Part, answers, held_out, likelihood, programs
from curate.evaluate.pieces import LONGEST_FIRST, Programs, Work, Writing, loaded
from curate.evaluate.record import MODEL, evaluated, weight_files
from curate.evaluate.results import Results, format_results, write
from curate.evaluate.sandbox import Sandbox
from curate.evaluate.tasks import LIMITS, SUITES, Answer, Code, Likelihood, Task, pick, require_data

__all__ = ["Suite", "evaluate", "format_results", "make_cloze", "pick"]


def evaluate(
    model_dir: str | os.PathLike[str],
    *,
    suites: Sequence[Suite] = (),
    tasks: Sequence[Task] = (),
    data: str | os.PathLike[str] = "eval",
    texts: Mapping[str, Iterable[str]] | None = None,
    limit: int | None = None,
    shots: int | None = None,
    samples: int = code_tasks.SAMPLED.num_samples,
    out: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    device: str | None = None,
    dtype: Dtype = "float32",
    unsafe_sandbox: bool = False,
    allow_missing: bool = False,
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
) -> Results:
    """Measure a Hugging Face model and write all it did into `out` (the model's folder by default).

    What an earlier evaluation left there is replaced.

    Args:
        suites: JSONL files of questions.
        tasks: of the published suites, see `curate.evaluate.tasks.pick`.
        data: folder of the tasks' files, or "hub".
        texts: held-out texts by domain, for bits per byte.
        limit: take only the first items of each task (of each subject) and the first texts of each domain.
        shots: examples before each question, of tasks that have a file of them; each task's own number by default.
        samples: programs for each problem at temperature 0.2, beside the greedy one; 0 for greedy alone.
        unsafe_sandbox: run programs even where this machine cannot contain them.
        allow_missing: leave out, and name on stderr, the tasks whose files the folder lacks.
        ray: "none", "local", "auto" or an address; see `curate.cluster.map_units`. The model's folder must then be
            where every node sees it.
        workers: pieces of tasks at a time, each with a CPU, one thread and the model once in memory.
        num_gpus: GPUs that each of them holds.

    Returns: {"arc_easy": {"num_items": 200, "chance": 0.25, "acc": {"value": 0.27, "stderr": 0.03}, ...}, ...}
    """
    if not suites and not tasks and not texts:
        raise ValueError("nothing to evaluate on; give suites, tasks, texts or several of them")
    if any(suite.name == MODEL for suite in suites):
        raise ValueError(f"a suite called {MODEL!r} would hide in results.json which model it is of; rename its file")
    require_model(Path(model_dir))
    if out is None and not Path(model_dir).is_dir():
        raise ValueError(f"{model_dir} is a model on the hub, no folder to write into; say where with --out")
    there = require_data(tasks, data, num_shots=shots, allow_missing=allow_missing) if tasks else []
    if left_out := [task.name for task in tasks if task not in there]:
        print(f"left out, no file in {data}: {', '.join(left_out)}", file=sys.stderr)
    away = on_ray(ray)
    if any(isinstance(task, Code) for task in there) and not away:
        with Sandbox(unsafe=unsafe_sandbox):
            pass  # a machine that cannot contain programs says so now, not after hours
    asked = {name: [text for text in some if text][:limit] for name, some in (texts or {}).items()}
    parts = [held_out(name, some) for name, some in asked.items()]
    parts += [likelihood(suite.name, suite.items(limit)) for suite in suites]
    parts += [_part(task, data, limit=limit, shots=shots, samples=samples) for task in there]
    if twice := [name for name, times in Counter(part.name for part in parts).items() if times > 1]:
        raise ValueError(f"two to measure are called {', '.join(twice)}; rename a file, or ask them one at a time")
    _require_writer(model_dir, parts)
    of, place = evaluated(model_dir), str(Path(model_dir).absolute()) if Path(model_dir).is_dir() else str(model_dir)
    work = Work(place, device, dtype, of.digest or of.revision, threads, 1 if away else None, unsafe_sandbox)
    engine = {"ray": ray, "workers": workers, "num_gpus": num_gpus, "memory": _memory(Path(model_dir))}
    finished: dict[str, Finished] = {}
    try:
        for part, done, seconds in _do(parts, work, away, engine):
            finished[part.name] = done
            ordered = [finished[one.name] for one in parts if one.name in finished]
            results = {name: found for one in ordered for name, found in one.results.items()}
            items, answered = [t for one in ordered for t in one.items], [a for one in ordered for a in one.answers]
            write(out or Path(model_dir), results, items, answered, of)  # what is stopped keeps what it has
            print(f"{part.name}: {done.results[part.name]['num_items']} items in {seconds:.0f} s", file=sys.stderr)
    finally:
        loaded.cache_clear()
    return results


def _part(task: Task, data: str | os.PathLike[str], *, limit: int | None, shots: int | None, samples: int) -> Part:
    if isinstance(task, Likelihood):
        return likelihood(task.name, task.items(data, limit=limit, num_shots=shots))
    if isinstance(task, Answer):
        return answers(task, *task.questions(data, limit=limit, num_shots=shots))
    return programs(task.name, task.problems(data, limit=limit), samples)


def _require_writer(model_dir: str | os.PathLike[str], parts: Sequence[Part]) -> None:
    """Raise where the model cannot write what is asked: now, not when all else has been measured."""
    asked = {part.name: one.decoding for part in parts for one in part.pieces if isinstance(one, Writing | Programs)}
    if not asked:
        return
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(model_dir)
    for name, how in asked.items():
        try:
            require_room(config, how)
        except ValueError as error:
            raise ValueError(f"{name} cannot be asked: {error}. Leave it out: --tasks names those to ask") from error


def _do(
    parts: Sequence[Part], work: Work, away: bool, engine: Mapping[str, Any]
) -> Iterator[tuple[Part, Finished, float]]:
    """Yield (part, what its pieces come to, their seconds together) as parts are done."""
    pieces = [(number, place) for number, part in enumerate(parts) for place in range(len(part.pieces))]
    if away:  # nobody waits for a long one at the end
        pieces.sort(key=lambda at: LONGEST_FIRST.index(type(parts[at[0]].pieces[at[1]])))
    found: list[dict[int, tuple[Any, float]]] = [{} for _ in parts]
    for index, done in map_units(work, [parts[number].pieces[place] for number, place in pieces], **engine):
        number, place = pieces[index]
        part, have = parts[number], found[number]
        have[place] = done
        if len(have) == len(part.pieces):
            given = [have[n][0] for n in range(len(part.pieces))]
            yield part, part.conclude(given), sum(seconds for _, seconds in have.values())
            have.clear()


def _memory(folder: Path) -> int:
    """Return the bytes that a worker needs: the weights as they are read and as float32, and room to compute."""
    return TASK_MEMORY + 3 * sum(file.stat().st_size for file in weight_files(folder))


def chosen(suites: Sequence[str], tasks: str = "", limit: int | None = None) -> tuple[list[Task], int | None]:
    """Return the tasks of some suites, or of them those that `tasks` names with commas, and how many items of each."""
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    if names and not suites:
        raise ValueError(f"--tasks {tasks} names tasks of a suite; add --suite, one of {', '.join(SUITES)}")
    found: dict[str, list[Task]] = {}  # each task by its name, in as many ways as it is asked
    for task in (task for suite in suites for task in pick(suite)):
        if task not in found.setdefault(task.name, []):
            found[task.name].append(task)
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ValueError(f"{', '.join(suites)} has no task {', '.join(unknown)}; it has {', '.join(found)}")
    wanted = list(dict.fromkeys(names or found))
    if unlike := [name for name in wanted if len(found[name]) > 1]:
        raise ValueError(
            f"{', '.join(suites)} ask {', '.join(unlike)} in different ways; take one suite at a time, each with its "
            "own --out"
        )
    limits = {LIMITS.get(suite) for suite in suites} if limit is None else {limit}
    if len(limits) > 1:
        told = ", ".join(f"{suite} {LIMITS.get(suite, 'all')}" for suite in suites)
        raise ValueError(f"suites take different numbers of items of each task ({told}); say how many with --limit")
    return [task for name in wanted for task in found[name]], next(iter(limits), None)
