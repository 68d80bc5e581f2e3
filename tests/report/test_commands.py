"""The commands of a report, pasted into a shell, make the same bytes; what no command runs has none."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pytest

from curate.classify.chunks import Chunked
from curate.classify.score import at_score, at_threshold, cascade_stages, score_stages
from curate.corpus import Corpus, write_corpus
from curate.decontaminate import decontaminate
from curate.decontaminate.benchmarks import Benchmarks
from curate.decontaminate.decontaminate import open_methods
from curate.decontaminate.decontaminate import stages as decontaminate_stages
from curate.dedup import FINEWEB, STACK, dedup
from curate.readers.html import Extract
from curate.report import retrain
from curate.report.commands import CHAIN, command
from curate.report.view import Part, View
from curate.run import run
from curate.signals.pii import ReplaceAddresses
from curate.signals.rules import stages, url_stages
from curate.signals.secrets import ReplaceSecrets
from curate.stage import Keep, Measure, Rule, Stage, stage_name
from curate.train.schedule import WSD
from tests.here import python
from tests.report.conftest import LESSON


def shards(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*.parquet") if "_log" not in file.parts)
    return {f"{file.relative_to(folder)}": hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


# What a shell makes of its lines: it writes the files, and each command's words, which then run here (see tests.here).
CURATE = r"""curate() { printf '%s\0' "$@" '' >> words; }; """


def paste(lines: str, folder: Path) -> None:
    subprocess.run(["bash", "-e"], input=f"{CURATE}\n{lines}", cwd=folder, text=True, check=True)
    for words in (folder / "words").read_text().removesuffix("\0\0").split("\0\0"):
        done = python("-m", "curate.cli", *words.split("\0"), cwd=folder)
        assert done.returncode == 0, done.stderr


def test_pasted_into_a_shell_they_make_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """URLs first, secrets and addresses last, a limit, a cut, copies, rules of one's own; beside a run in Python."""
    monkeypatch.chdir(tmp_path)
    texts = [
        LESSON.format(i=i) * 2 if i % 3 else f"Mail a{i}@b.org, key AKIAIOSFODNN7EXAMPL{i % 10}" for i in range(44)
    ]
    texts[5] = texts[4].replace("absorbs", "takes up")
    urls = [f"https://{'pornsite' if i % 9 == 0 else 'school'}.example/{i}" for i in range(44)]
    source = write_corpus(
        "in put", pa.table({"text": texts, "id": [f"d{i}" for i in range(44)], "url": urls}).to_batches()
    )
    first = (*url_stages(), *stages("c4"), ReplaceSecrets(), ReplaceAddresses())
    run(first, source, "a run/1-clean", keep_text=True, limit=40)
    measured = Measure(stages("gopher")[0].signals)  # type: ignore[attr-defined]
    run((measured, Keep((Rule("gopher.word_count", at_least=20),))), Corpus("a run/1-clean"), "a run/2-own")
    scoring = (score_stages(["web_edu"], part="gate"), Keep((at_score(0.25),)))
    run(scoring, Corpus("a run/1-clean"), "a run/3-scored")
    dedup(Corpus("a run/3-scored"), "a run/4-unique", threshold=0.7, max_source_loss=1.0, keep_text=True)
    own = (Rule("score", at_least=0.125, source="it's ours"), Rule("int_score", at_most=4))
    run((Keep(own),), Corpus("a run/4-unique"), "a run/5-edu", allow_empty=True)
    view, before = View.of("a run"), shards(Path("a run"))
    told = [command(part, view) for part in view.parts]
    assert told[1] is None, "it measured more than its rule needs, which `curate filter` does not"
    assert all(part.before and part.before.endswith("1-clean") for part in view.parts[1:3]), "though both left as many"
    assert (told[0] or "").startswith(
        "curate filter INPUT -o 'a run/1-clean' --rules c4 --urls default --secrets --pii --keep-text --limit 40"
    )
    pasted = "\n".join(one for one in told if one).replace("INPUT", "'in put'")
    shutil.move("a run", "before")
    shutil.copytree("before/2-own", "a run/2-own")
    paste(pasted, tmp_path)
    assert shards(Path("a run")) == before
    assert len(before) == 7


def part_of(made: tuple[Stage, ...], finished: Path) -> tuple[Part, View]:
    """A corpus of a run whose receipts name these stages."""
    view = View.of(str(finished))
    kept = [(step, stage) for step, stage in enumerate(made, 1) if isinstance(stage, Keep)]
    rules = tuple((step, rule) for step, stage in kept for rule in stage.rules)
    steps = ("input", *map(stage_name, made))
    return replace(view.parts[1], recipe=replace(view.parts[1].recipe, steps=steps, rules=rules)), view


def found(path: str = "/nowhere") -> Benchmarks:
    return Benchmarks("0123456789abcdef", ("arc", "gsm8k"), path)


DECONTAMINATE = open_methods(found(), ["ngram"], max_share=0.4, max_run=12, passages=True)


@pytest.mark.parametrize(
    ("made", "options"),
    [
        ((Extract(extractor="trafilatura"),), "extract INPUT -o OUT --extractor trafilatura"),
        ((Extract(), *stages("fineweb")), "filter INPUT -o OUT --rules fineweb"),
        ((*url_stages(), Extract(), *stages("fineweb2")), "filter INPUT -o OUT --rules fineweb2 --urls default"),
        ((*stages("gopher"), *stages("c4")), "filter INPUT -o OUT --rules gopher --rules c4"),
        ((*stages("fineweb", lid="a/b"),), "filter INPUT -o OUT --rules fineweb --lid a/b"),
        ((*stages("fineweb2", lid="columns"),), "filter INPUT -o OUT --rules fineweb2 --lid columns"),
        ((*stages(CHAIN),), f"filter INPUT -o OUT --rules {CHAIN}"),
        ((*stages("starcoder2"), ReplaceAddresses(code=True)), "filter INPUT -o OUT --rules starcoder2 --pii"),
        (
            (score_stages(["web_edu", "code_edu"], part="gate"),),
            "score INPUT -o OUT --classifier web_edu --classifier code_edu --part gate",
        ),
        (
            (Extract(), Chunked(score_stages(["web_edu"], part="mean"), "max"), Keep((at_threshold(3),))),
            "score INPUT -o OUT --classifier web_edu --part mean --pool max --threshold 3",
        ),
        (cascade_stages("web_edu", recall=0.9)[1], "score INPUT -o OUT --classifier web_edu --recall 0.9"),
        (
            cascade_stages("web_edu", cut=2.5)[1],
            "score INPUT -o OUT --classifier web_edu --part cascade --min-score 2.5",
        ),
        (cascade_stages("code_edu", recall=0.9)[1], "score INPUT -o OUT --classifier code_edu --recall 0.9"),
        (decontaminate_stages(open_methods(found())), "decontaminate INPUT -o OUT --against BENCHMARKS"),
        (
            decontaminate_stages(DECONTAMINATE, cut="span", passages=True),
            "decontaminate INPUT -o OUT --against BENCHMARKS --method ngram --max-share 0.4 --max-run 12 --passages "
            "--cut span",
        ),
    ],
)
def test_a_command_is_told_with_the_options_that_make_its_stages(
    made: tuple[Stage, ...], options: str, finished: Path
) -> None:
    told = command(*part_of(made, finished)) or ""
    assert told.replace(f"{finished}/2-scored", "OUT") == f"curate {options} --keep-text"


@pytest.mark.parametrize(
    "made",
    [
        (Extract(timeout_s=3.0), *stages("fineweb")),
        (*stages("fineweb"), *url_stages()),
        (*url_stages("pyproject.toml"), Keep((Rule("a", at_least=1),)), Keep((Rule("b", at_least=1),))),
        (*stages("gopher")[:1],),
    ],
)
def test_other_settings_or_another_order_have_no_command(made: tuple[Stage, ...], finished: Path) -> None:
    assert command(*part_of(made, finished)) is None


def test_lists_of_urls_are_named_where_they_lie(tmp_path: Path, finished: Path) -> None:
    for kind in ("adult", "malware"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "domains").write_text(f"{kind}.example\n")
    (tmp_path / "mine.txt").write_text("worse.example\n")
    for lists in (tmp_path, tmp_path / "mine.txt"):
        told = command(*part_of((*url_stages(f"{lists}"), *stages("c4")), finished)) or ""
        assert told.endswith(f"--rules c4 --urls {lists} --keep-text")


def test_a_classifier_of_ones_own_stands_as_a_place_to_fill_in(finished: Path) -> None:
    made = (score_stages(["web_edu"], part="gate"), Keep((at_threshold(2),)))
    part, view = part_of(made, finished)
    steps = tuple(step.replace("digest='", "digest='f") for step in part.recipe.steps)
    told = command(replace(part, recipe=replace(part.recipe, steps=steps)), view) or ""
    assert "--classifier MODEL --part gate --threshold 2" in told


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (replace(FINEWEB, threshold=0.75), "--settings fineweb --similarity 0.75"),
        (replace(STACK, similarity="containment"), "--settings stack --containment"),
        (replace(FINEWEB, bands=9), None),
    ],
)
def test_what_is_a_copy_is_told_or_nothing_is(settings: object, options: str | None, finished: Path) -> None:
    part, view = part_of((), finished)
    steps = ("input", f"dedup({settings!r}, key='score')")
    told = command(replace(part, recipe=replace(part.recipe, steps=steps)), view)
    assert (told is None) if options is None else options in (told or "")


def test_a_training_that_no_command_can_say_is_told_as_a_comment() -> None:
    optimizer = {"lr": 0.003, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.5, "clip": 1.0}
    plan = {"steps": 4, "seq_len": 16, "batch_windows": 2, "seed": 7, "optimizer": optimizer, "schedule": {"warmup": 1}}
    shape = {"hidden_size": 128, "num_layers": 4, "num_heads": 4, "num_kv_heads": 2, "ffn_size": 256}
    data = [{"until": None, "data": [{"path": "tokens/web", "weight": 1.0}]}]
    run = {"model": shape, "plan": plan, "data": data}
    assert retrain.command(run, "runs/m").startswith("# m has an optimizer of its own")
    plan["optimizer"] = {**optimizer, "weight_decay": 0.01}
    assert retrain.command(run, "runs/m").startswith("curate pretrain tokens/web:1 -o runs/m")
    assert retrain.command({**run, "data": data * 2}, "runs/m").startswith("# m has several phases")
    assert retrain.command({**run, "model": {**shape, "num_layers": 5}}, "m").startswith("# m has a model of its own")


def test_an_annealing_that_went_on_with_the_stable_phase_is_told_as_one() -> None:
    optimizer = {"lr": 0.003, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.01, "clip": 1.0}
    plan = {"steps": 4, "seq_len": 16, "batch_windows": 2, "seed": 7, "optimizer": optimizer}
    data = [{"until": None, "data": [{"path": "tokens/web", "weight": 1.0}]}]
    for schedule, shape in ((WSD(0, 0), "constant"), (WSD(0, 4), "1-sqrt"), (WSD(0, 4, "linear"), "linear")):
        run = {"plan": {**plan, "schedule": asdict(schedule)}, "data": data, "annealed_from": {"path": "runs/stable"}}
        told = retrain.command(run, "runs/m")
        assert told.startswith("curate anneal runs/stable tokens/web:1 -o runs/m")
        assert told.endswith(f"--shape {shape}")


def test_trainings_stand_in_the_order_in_which_each_goes_on_from_another(tmp_path: Path) -> None:
    """b is annealed from c, and a from b; c is a pretraining, and d an annealing of a model that is not here."""
    optimizer = {"lr": 0.003, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.01, "clip": 1.0}
    schedule = asdict(WSD(0, 4))
    plan = {"steps": 4, "seq_len": 16, "batch_windows": 2, "seed": 7, "optimizer": optimizer, "schedule": schedule}
    data = [{"until": None, "data": [{"path": "tokens/web", "weight": 1.0}]}]
    for name, start in (("a", f"{tmp_path}/b/checkpoint"), ("b", f"{tmp_path}/c"), ("c", ""), ("d", "elsewhere/x")):
        told = {"plan": plan, "data": data, "model": {}} | ({"annealed_from": {"path": start}} if start else {})
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(told))
        (tmp_path / name / "log.jsonl").touch()
    assert [name for name, _ in retrain.commands(tmp_path)] == ["c", "b", "d", "a"]


def test_benchmarks_that_were_looked_for_are_named_since_their_folder_may_hold_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("eval").mkdir()
    for name in ("gsm8k", "arc"):
        Path(f"eval/{name}.jsonl").write_text(json.dumps({"question": f"How many {name}s fit?", "answer": "12"}) + "\n")
    source = write_corpus("in", pa.table({"text": ["Leaves are green."], "id": ["a"]}).to_batches())
    decontaminate(source, "run/1-clean", "eval", only=["gsm"])
    view, before = View.of("run"), shards(Path("run"))
    told = command(view.parts[0], view)
    assert told == "curate decontaminate INPUT -o run/1-clean --against BENCHMARKS --only gsm8k"
    shutil.move("run", "before")
    paste(told.replace("INPUT", "in").replace("BENCHMARKS", "eval"), tmp_path)
    assert shards(Path("run")) == before
