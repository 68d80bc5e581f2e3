"""Imports point only down, and importing curate costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LEVELS = [  # lowest first; a module may import its own package and anything on a lower level
    {
        "curate.text",
        "curate.allocator",
        "curate.amounts",
        "curate.columns",
        "curate.code",
        "curate.document",
        "curate.tally",
        "curate.progress",
        "curate.storage",
        "curate.checksum",
        "curate.strict_json",
    },
    {"curate.parquet"},
    {"curate.writer"},
    {"curate.stage", "curate.corpus"},
    {"curate.apply", "curate.cluster"},
    {"curate.recipe"},
    {"curate.shards"},
    {"curate.run", "curate.units"},
    {"curate.ledger", "curate.verify"},
    {
        "curate.readers",
        "curate.concatenate",
        "curate.signals",
        "curate.teacher",
        "curate.classify",
        "curate.dedup",
        "curate.decontaminate",
        "curate.tokenizer",
    },
    {"curate.train", "curate.evaluate"},
    {"curate.ablate"},
    {"curate.report", "curate.plan"},
    {"curate.publish"},
    {"curate.scaling"},
    {"curate.cli"},
    {"classifiers"},
    {"pipelines"},
]
HEAVY_OWNERS = {  # packages that only these may import at the top of a file
    "ray": (),
    "torch": ("curate/train/", "curate/evaluate/"),
    "transformers": (),
    "sentence_transformers": (),
    "sklearn": (),
    "datasets": (),
}


def level(module: str) -> int | None:
    """Return the level of a module, None for what is not ours."""
    for number, names in enumerate(LEVELS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return number
    return None


def room(module: str) -> str:
    return ".".join(module.split(".")[: 2 if module.startswith("curate") else 1])


def imports(path: Path, *, top_only: bool = False) -> list[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_only else list(ast.walk(tree))
    found: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


FILES = sorted(p for folder in ("curate", "classifiers", "pipelines") for p in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_only_down(path: Path) -> None:
    module = module_of(path)
    if module == "curate":
        assert imports(path) == []
        return
    own = level(module)
    assert own is not None, f"{module} has no place in the layers"
    for imported in imports(path):
        theirs = level(imported)
        if theirs is not None and room(imported) != room(module):
            assert theirs < own or {theirs, own} == {0}, f"{module} imports {imported}, which is not below it"


@pytest.mark.parametrize("package", HEAVY_OWNERS)
def test_heavy_packages_are_imported_only_where_they_are_used(package: str) -> None:
    for path in FILES:
        name = str(path.relative_to(ROOT))
        if any(imported.split(".")[0] == package for imported in imports(path, top_only=True)):
            assert name.startswith(HEAVY_OWNERS[package] or ("nowhere",)), f"{name} imports {package} at its top"


def test_ray_is_imported_in_one_file() -> None:
    users = [module_of(path) for path in FILES if any(i.split(".")[0] == "ray" for i in imports(path))]
    assert users == ["curate.cluster"]


def test_import_curate_loads_nothing() -> None:
    code = "import sys, curate; print([m for m in ('torch', 'ray', 'pyarrow', 'numpy', 'numba') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_command_line_loads_neither_torch_nor_ray() -> None:
    code = "import sys, curate.cli; print([m for m in ('torch', 'ray', 'transformers', 'numba') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
