"""A sample drawn, and a teacher that needs no server, on workers: the files of one process, also after a fault."""

import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.teacher.annotate import Annotations, annotate
from curate.teacher.client import FakeTeacher, OpenAITeacher, Prompt, Reply, fake_answer
from curate.teacher.rubric import WEB_EDU
from curate.teacher.sample import draw
from curate.teacher.spread import Ask, spread
from curate.teacher.strata import parse

N, CHUNK = 200, 64


@dataclass(frozen=True)
class Quick:
    """A teacher in this process; it breaks down at a page that says `broken`."""

    broken: str = "nothing says this"
    name: ClassVar[str] = "quick"
    memory_bytes: ClassVar[int] = 2**28

    def complete(self, prompts: Iterable[str]) -> Iterator[tuple[int, Reply]]:
        for index, prompt in enumerate(prompts):
            if self.broken in prompt:
                raise RuntimeError(f"broke down at {self.broken}")
            yield index, fake_answer(prompt)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Three shards of 100 pages, the later ones with higher scores."""
    numbers = [(shard, i) for shard in range(3) for i in range(100)]
    texts = [f"Page {shard}-{i}. " + "word " * (i % 7) for shard, i in numbers]
    scores = pa.array([shard + i / 100 for shard, i in numbers], pa.float32())
    table = pa.table({"text": texts, "id": [f"{shard}-{i}" for shard, i in numbers], "score": scores})
    return write_corpus(tmp_path_factory.mktemp("corpus"), table.to_batches(max_chunksize=50), shard_rows=100)


def grade(corpus: Corpus, out: Path, ray: str, teacher: Quick | OpenAITeacher = Quick()) -> Annotations:
    return annotate(
        corpus, str(out), rubric=WEB_EDU, teacher=teacher, n=N, strata=parse("score"), chunk_rows=CHUNK, ray=ray
    )


def shards(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.parquet")}


def test_annotations_on_ray_are_the_files_of_one_process(corpus: Corpus, tmp_path: Path, local_ray: str) -> None:
    here, there = (grade(corpus, tmp_path / ray, ray) for ray in ("none", local_ray))
    assert shards(tmp_path / "none") == shards(tmp_path / local_ray)
    assert len(shards(tmp_path / "none")) == -(-N // CHUNK)
    assert (here.grades, here.good_share, here.prompt_tokens) == (there.grades, there.good_share, there.prompt_tokens)


def test_a_run_on_ray_that_broke_down_goes_on_to_the_same_files(corpus: Corpus, tmp_path: Path, local_ray: str) -> None:
    grade(corpus, tmp_path / "whole", "none")
    last = Corpus(str(tmp_path / "whole")).table(["text"])["text"][N - 1].as_py()
    with pytest.raises(RuntimeError, match="broke down"):
        grade(corpus, tmp_path / "broken", local_ray, Quick(broken=last.split(". ")[0] + ". "))
    grade(corpus, tmp_path / "broken", local_ray)
    assert shards(tmp_path / "whole") == shards(tmp_path / "broken")  # no try of unknown end: nobody bills it


def test_a_server_is_asked_by_the_driver_within_its_limits(corpus, tmp_path, server, local_ray) -> None:
    server.delay_s = 0.01
    done = grade(corpus, tmp_path, local_ray, OpenAITeacher(server.url, "m", max_in_flight=3))
    assert done.num_documents == N
    assert set(server.paid.values()) == {1}
    assert server.most_in_flight <= 3


def test_a_draw_on_ray_is_the_draw_of_one_process(corpus: Corpus, tmp_path: Path, local_ray: str) -> None:
    options = {"seed": 1, "strata": parse("score,length"), "allocation": "neyman", "scratch": tmp_path}
    with draw(corpus, 90, ray="none", **options) as one, draw(corpus, 90, ray=local_ray, **options) as other:
        assert one.strata == other.strata
        assert len({stratum.drawn for stratum in one.strata.values()}) > 1
        assert list(one.documents()) == list(other.documents())


def test_only_a_teacher_in_this_process_is_spread_and_only_on_an_engine(local_ray: str) -> None:
    served = OpenAITeacher("http://127.0.0.1:1/v1", "m")
    assert spread(served, ray=local_ray) is served
    assert spread(FakeTeacher(), ray=local_ray) == FakeTeacher()
    assert spread(Quick(), ray="none") == Quick()
    assert spread(Quick(), ray=local_ray).name == "quick"


def test_replies_come_in_the_order_of_the_prompts_however_a_teacher_gives_them() -> None:
    @dataclass(frozen=True)
    class Backwards:
        name: str = "backwards"

        def complete(self, prompts: Iterable[str]) -> Iterator[tuple[int, Reply]]:
            yield from reversed([(index, Reply(prompt)) for index, prompt in enumerate(prompts)])

    assert [reply.text for reply in Ask(Backwards())(["a", "b", "c"])] == ["a", "b", "c"]


def test_a_prompt_keeps_its_key_on_its_way_to_a_worker() -> None:
    prompt = pickle.loads(pickle.dumps(Prompt("Grade this.", "key", {"type": "object"})))
    assert (prompt, prompt.key, prompt.schema) == ("Grade this.", "key", {"type": "object"})
