"""For people who come from datatrove: any of its filters and formatters is one of our stages.

    from datatrove.pipeline.filters import C4QualityFilter
    from datatrove.pipeline.formatters import FTFYFormatter

    run((Datatrove(C4QualityFilter()), Datatrove(FTFYFormatter())), source, "clean")

A document that a filter turns away is marked `C4QualityFilter.curly_bracket`: the filter's class, and its reason if it
gave one. What a filter does to a document that it lets pass stays done: its text, and its metadata. The
metadata are the batch's other columns, and changed ones are written back; a key that is no column yet must be named in
`adds`, since every shard of a corpus has the same columns. datatrove's readers, writers and exclusion writers have
no part here: what is dropped lies in OUT/dropped.

A document is a Python object on this way, so it is as slow as datatrove. The repr, part of every receipt, is the class
and all its settings. datatrove's formatters remember where they are in their lists of replacements from one document
to the next; here each batch begins anew, so that a shard is the same however often it is made.
"""

import copy
import functools
import hashlib
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import pyarrow as pa

from curate.document import DROPPED_BY, ID, TEXT, Batch, with_columns
from curate.stage import mark

LONGEST = 200  # characters of settings in a repr; longer ones are told by their digest
RUNTIME = {"stats", "exclusion_writer", "_lock"}  # of a block, not settings


@dataclass(frozen=True, repr=False)
class Datatrove:
    """A block of datatrove's as a stage.

    Attributes:
        block: a BaseFilter or a BaseFormatter.
        adds: metadata that a filter writes and that is no column yet: name -> Arrow type, such as
            `{"language": pa.string()}`.

    Raises:
        ValueError: the block is of another kind, or one of its settings has no name that is the same everywhere.
    """

    block: Any
    adds: Mapping[str, pa.DataType] | None = None

    def __post_init__(self) -> None:
        _kind(self.block)
        repr(self)  # a setting without a stable name shows here, not in the middle of a run

    def __call__(self, batch: Batch) -> Batch:
        return _format(self.block, batch) if _kind(self.block) == "formatter" else self._filter(batch)

    def _filter(self, batch: Batch) -> Batch:
        documents = _documents(batch)
        rows = [row for row, document in enumerate(documents) if document is not None]
        answers: list[Any] = []
        for first in range(0, len(rows), self.block.batch_size):
            part = [documents[row] for row in rows[first : first + self.block.batch_size]]
            answers += self.block.filter_batch(part)
        reasons: dict[str, np.ndarray] = {}
        for row, answer in zip(rows, answers, strict=True):
            kept, reason = answer if isinstance(answer, tuple) else (answer, None)
            if not kept:
                name = ".".join(filter(None, (type(self.block).__name__, reason)))
                reasons.setdefault(name, np.zeros(batch.num_rows, bool))[row] = True
        return mark(with_columns(batch, self._written(batch, documents)), sorted(reasons.items()))

    def _written(self, batch: Batch, documents: list[Any]) -> dict[str, pa.Array]:
        """Return the columns that the filter changed, and those that it adds."""
        adds = dict(self.adds or {})
        present = [document for document in documents if document is not None]
        unknown = {key for document in present for key in document.metadata} - set(batch.schema.names) - set(adds)
        if unknown:
            raise ValueError(
                f"{type(self.block).__name__} writes {', '.join(sorted(unknown))}, which no column holds; "
                f"name them: Datatrove(..., adds={{{sorted(unknown)[0]!r}: pa.string(), ...}})"
            )
        columns: dict[str, pa.Array] = {}
        texts = [None if document is None else document.text for document in documents]
        if texts != batch[TEXT].to_pylist():
            columns[TEXT] = pa.array(texts, batch[TEXT].type)
        types = {name: batch[name].type for name in _metadata(batch)} | adds
        for name, kind in types.items():
            before = batch[name].to_pylist() if name in batch.schema.names else [None] * batch.num_rows
            values = [
                old if document is None else document.metadata.get(name)
                for document, old in zip(documents, before, strict=True)
            ]
            if name in adds or values != before:
                columns[name] = pa.array(values, kind)
        return columns

    def __repr__(self) -> str:
        adds = f", adds={ {name: str(kind) for name, kind in self.adds.items()} }" if self.adds else ""
        return f"Datatrove({_describe(self.block)}{adds})"


def _kind(block: object) -> str:
    from datatrove.pipeline.filters.base_filter import BaseFilter
    from datatrove.pipeline.formatters.base import BaseFormatter

    if isinstance(block, BaseFilter):
        return "filter"
    if isinstance(block, BaseFormatter):
        return "formatter"
    raise ValueError(
        f"{type(block).__name__} is neither a filter nor a formatter of datatrove; readers, extractors, dedup and "
        "writers have their own places here: `curate extract`, `curate dedup`, a corpus"
    )


def _metadata(batch: Batch) -> list[str]:
    return [name for name in batch.schema.names if name not in (TEXT, ID, DROPPED_BY)]


def _documents(batch: Batch) -> list[Any]:
    """Return a datatrove document for each row, None where there is no text."""
    from datatrove.data import Document

    names = _metadata(batch)
    ids = batch[ID].to_pylist() if ID in batch.schema.names else [""] * batch.num_rows
    rows = batch.select(names).to_pylist() if names else [{}] * batch.num_rows
    texts = batch[TEXT].to_pylist()
    return [
        None if text is None else Document(text=text, id=name, metadata={k: v for k, v in row.items() if v is not None})
        for text, name, row in zip(texts, ids, rows, strict=True)
    ]


def _format(block: Any, batch: Batch) -> Batch:
    fresh = copy.deepcopy(block)
    texts = [None if text is None else fresh.format(text) for text in batch[TEXT].to_pylist()]
    return with_columns(batch, {TEXT: pa.array(texts, batch[TEXT].type)})


def _describe(value: Any) -> str:
    """Return a text that is the same in every process, for a block and for whatever its settings hold."""
    told = _told(value)
    return (
        told if len(told) <= LONGEST else f"{told[: LONGEST // 4]}...{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    )


def _told(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        items = [_describe(item) for item in value]
        # datatrove makes tuples of characters from sets, in an order that differs from process to process.
        characters = bool(value) and all(isinstance(item, str) and len(item) == 1 for item in value)
        return f"[{', '.join(sorted(items) if characters else items)}]"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(_describe, value)))}}}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{_describe(key)}: {_describe(item)}' for key, item in value.items()))}}}"
    if isinstance(value, re.Pattern):
        return f"re({value.pattern!r}, {value.flags})"
    if isinstance(value, functools.partial):
        return f"partial({_describe(value.func)}, {_describe(value.args)}, {_describe(value.keywords)})"
    if isinstance(value, FunctionType):
        return _function(value)
    if isinstance(value, type) or inspect.isbuiltin(value) or inspect.ismethoddescriptor(value):
        return f"{getattr(value, '__module__', '')}.{value.__qualname__}"
    if isinstance(value, np.ndarray):
        return f"array({hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:12]})"
    if hasattr(value, "__dict__"):
        held = {name: item for name, item in vars(value).items() if name not in RUNTIME}
        return f"{type(value).__name__}({', '.join(f'{n}={_describe(i)}' for n, i in held.items())})"
    return _by_repr(value)


def _by_repr(value: Any) -> str:
    told = repr(value)
    if " at 0x" in told or "<" in told[:1]:
        # Compiled helpers, such as URLFilter's automaton, are made from settings that stand beside them.
        return type(value).__name__
    return told


def _function(function: FunctionType) -> str:
    """Name a function; one without a name of its own, a lambda, by what it does and holds."""
    name = f"{function.__module__}.{function.__qualname__}"
    if function.__name__ != "<lambda>" and "<locals>" not in function.__qualname__:
        return name
    held = [cell.cell_contents for cell in function.__closure__ or ()]
    code = f"{_code(function.__code__)} {_describe(held)} {_describe(function.__defaults__)}"
    return f"{function.__name__}:{hashlib.sha256(code.encode()).hexdigest()[:12]}"


def _code(code: CodeType) -> str:
    constants = [_code(item) if isinstance(item, CodeType) else _describe(item) for item in code.co_consts]
    return f"{code.co_code.hex()} {constants} {code.co_names}"
