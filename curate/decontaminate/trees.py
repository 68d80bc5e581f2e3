"""Python source as normalised trees: what stays of code when its names, comments, layout and annotations change.

    forest = plant("def f(xs):\n    total = 0\n    for x in xs:\n        total = total + x\n    return total")
    forest.labels    # ['def', 'arg', '=', 'v', '0', 'for', 'v', 'v', '+=', 'v', 'v', 'return', 'v']

A tree is its labels in preorder with the size of each node's subtree. Names become `v`; names of built-ins (where the
function does not bind them), attributes, keywords and constants stay, for renaming leaves them alone. Gone are
docstrings, decorators, annotations, imports and `self.`. `x = x + 1` is `x += 1`, `a > b` is `b < a`; the operands of
commutative operators and runs of consecutive assignments are in one order; more in `curate.decontaminate.normal`.
phi-1 (arXiv 2306.11644, section 5.2) says "AST" and no more; these are our choices. What a rewriting does beyond them
(another loop, another order of calls) costs edits: see `curate.decontaminate.distance`.
"""

import ast
import builtins
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from curate.decontaminate.normal import alone, conditional, formatted, settled

BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
NAME = "v"
MAX_DEPTH = 150  # of nesting; a fixed number, so that the same file is examined from any depth of Python's own stack
MAX_LITERAL = 40  # characters of a constant that tell it from others
RECEIVERS = ("self", "cls")
CODE_IN_TEXT = "def "  # a string with it may hold a function

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
    ast.Not: "not", ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "~", ast.And: "and", ast.Or: "or",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
_COMMUTATIVE = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)
_MIRRORED: dict[type[ast.AST], str] = {ast.Gt: "<", ast.GtE: "<="}
_SILENT = (ast.Import, ast.ImportFrom, ast.Pass, ast.Global, ast.Nonlocal)
_SKIPPED = frozenset(("annotation", "returns", "type_comment", "decorator_list", "type_params", "ctx", "kind"))


@dataclass(frozen=True)
class Tree:
    """One function, or the statements of a module outside functions, as a range of a forest."""

    name: str  # qualified, such as `Stack.push`; "" for a module's statements
    start: int
    stop: int
    first_line: int  # 1-based, both inclusive
    last_line: int
    docstring: str = ""


@dataclass
class Forest:
    """All trees of one source, in preorder; the tree of a nested function lies inside that of its parent."""

    labels: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)  # nodes of the subtree, itself included
    names: list[str | None] = field(default_factory=list)  # the identifier behind a node, where there is one
    trees: list[Tree] = field(default_factory=list)
    strings: dict[str, tuple[int, int]] = field(default_factory=dict)  # that may hold code -> first and last line
    too_deep: bool = False  # a statement was left out because it is nested deeper than MAX_DEPTH


class TooDeepError(Exception):
    """A statement is nested deeper than MAX_DEPTH."""


def parse(source: str) -> ast.Module | None:
    """Parse `source`; None if Python cannot, for whatever reason lies in the source."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's invalid escapes
            return ast.parse(source.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # NUL bytes; too deep for the parser or its stack
        return None


def plant(source: str) -> Forest:
    """Return the trees of a source that parses.

    Raises:
        SyntaxError: Python cannot parse it.
    """
    module = parse(source)
    if module is None:
        raise SyntaxError(f"not Python: {source[:60]!r}")
    return grow(module)


def grow(module: ast.Module) -> Forest:
    """Return the trees of a parsed module: every function at any depth, then the module's own statements."""
    planter = _Planter()
    loose: list[ast.stmt] = []
    for statement in settled(module.body):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            planter.outermost((statement,))
        elif not isinstance(statement, _SILENT):
            loose.append(statement)
    forest = planter.forest
    start = planter.open("def")  # as if the statements were a function's
    planter.outermost(loose)
    planter.close(start)
    if forest.sizes[start] == 1:
        planter.cut(start, len(forest.trees))
    else:
        last = max(statement.end_lineno or statement.lineno for statement in loose)
        forest.trees.append(Tree("", start, len(forest.labels), loose[0].lineno, last))
    return forest


class _Planter:
    """Walks a syntax tree once and writes the forest."""

    def __init__(self) -> None:
        self.forest = Forest()
        self.labels, self.sizes, self.names = self.forest.labels, self.forest.sizes, self.forest.names
        self.depth = 0
        self.scope: list[str] = []  # names of the classes and functions around
        self.bound: set[str] = set()  # built-in names that the outermost function binds
        self.shadowed: frozenset[str] = frozenset()

    def outermost(self, statements: Iterable[ast.stmt]) -> None:
        """Plant statements of a module; twice where they bind a built-in's name, which is then a name like others."""
        statements = tuple(statements)
        mark = len(self.labels), len(self.forest.trees)
        self.bound, self.shadowed = set(), frozenset()
        try:
            self.block(statements)
            if self.bound:
                self.cut(*mark)
                self.shadowed = frozenset(self.bound)
                self.block(statements)
        except TooDeepError:
            self.cut(*mark)
            self.depth, self.scope, self.forest.too_deep = 0, [], True

    def cut(self, nodes: int, trees: int) -> None:
        for values in (self.labels, self.sizes, self.names):
            del values[nodes:]
        del self.forest.trees[trees:]

    def open(self, label: str, name: str | None = None) -> int:
        self.labels.append(label)
        self.names.append(name)
        self.sizes.append(1)
        return len(self.labels) - 1

    def close(self, start: int) -> None:
        self.sizes[start] = len(self.labels) - start

    def visit(self, node: ast.AST) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooDeepError
        _VISIT.get(type(node), _Planter.generic)(self, node)
        self.depth -= 1

    def all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def under(self, label: str, *nodes: ast.AST | None, name: str | None = None) -> None:
        start = self.open(label, name)
        self.all(nodes)
        self.close(start)

    def in_order(self, nodes: Iterable[ast.AST]) -> None:
        """Plant siblings whose order says nothing: sorted by their labels."""
        starts = []
        for node in nodes:
            starts.append(len(self.labels))
            self.visit(node)
        self.sort(starts)

    def sort(self, starts: list[int]) -> None:
        ends = [*starts[1:], len(self.labels)]
        keys = [self.labels[lo:hi] for lo, hi in zip(starts, ends, strict=True)]
        order = sorted(range(len(starts)), key=keys.__getitem__)
        if order == list(range(len(starts))):
            return
        places = [place for k in order for place in range(starts[k], ends[k])]
        self.labels[starts[0] :] = [self.labels[place] for place in places]
        self.sizes[starts[0] :] = [self.sizes[place] for place in places]
        self.names[starts[0] :] = [self.names[place] for place in places]

    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Plant statements; consecutive assignments to names go in one order."""
        run: list[int] = []  # starts of the assignments just planted
        for statement in settled(tuple(statements)):
            simple = _is_simple(statement)
            if not simple and len(run) > 1:
                self.sort(run)
            if not simple:
                run = []
            start = len(self.labels)
            self.visit(statement)
            if simple and len(self.labels) > start:
                run.append(start)
        if len(run) > 1:
            self.sort(run)

    def generic(self, node: ast.AST) -> None:
        start = self.open(type(node).__name__)
        for name in node._fields:
            value = getattr(node, name, None)
            if name in _SKIPPED:
                continue
            if isinstance(value, list):
                if value and isinstance(value[0], ast.stmt):
                    self.block(value)
                else:
                    self.all(child for child in value if isinstance(child, ast.AST))
            elif isinstance(value, ast.AST):
                self.visit(value)
        self.close(start)

    def silent(self, node: ast.AST) -> None:
        pass

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        start = self.open("def", node.name)
        self.scope.append(node.name)
        self.arguments(node.args)
        self.block(node.body)
        self.close(start)
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        last = node.end_lineno or node.lineno
        self.forest.trees.append(Tree(".".join(self.scope), start, len(self.labels), first, last, _docstring(node)))
        self.scope.pop()

    def class_(self, node: ast.ClassDef) -> None:
        start = self.open("class", node.name)
        self.scope.append(node.name)
        self.all(node.bases)
        self.block(node.body)
        self.close(start)
        self.scope.pop()

    def lambda_(self, node: ast.Lambda) -> None:
        start = self.open("lambda")
        self.arguments(node.args)
        self.visit(node.body)
        self.close(start)

    def arguments(self, node: ast.arguments) -> None:
        plain = [*node.posonlyargs, *node.args]
        if plain and plain[0].arg in RECEIVERS:
            plain = plain[1:]
        for argument in [*plain, *node.kwonlyargs]:
            self.bind(argument.arg)
            self.open("arg", argument.arg)
        for star, starred in (("*arg", node.vararg), ("**arg", node.kwarg)):
            if starred is not None:
                self.bind(starred.arg)
                self.open(star, starred.arg)
        self.all(node.defaults)
        self.all(node.kw_defaults)

    def bind(self, name: str) -> None:
        if name in BUILTINS:
            self.bound.add(name)

    def name(self, node: ast.Name) -> None:
        if node.id in BUILTINS:
            if not isinstance(node.ctx, ast.Load):
                self.bound.add(node.id)
            if node.id not in self.shadowed:
                self.open(node.id)
                return
        self.open(NAME, node.id)

    def attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in RECEIVERS:
            self.open(NAME, node.attr)
        else:
            self.under(f".{node.attr}", node.value)

    def constant(self, node: ast.Constant) -> None:
        self.remember(node)
        self.open(repr(node.value)[:MAX_LITERAL])

    def remember(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and CODE_IN_TEXT in node.value:
            first = getattr(node, "lineno", 1)  # a part of an f-string that was none has no place
            self.forest.strings.setdefault(node.value, (first, getattr(node, "end_lineno", None) or first))

    def expression(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):  # docstrings, strings as comments, `...`
            self.remember(node.value)
        else:
            self.visit(node.value)

    def text(self, node: ast.JoinedStr) -> None:
        value = alone(node)
        if value is None:
            self.generic(node)
        else:
            self.visit(ast.Call(ast.Name("str", ast.Load()), [value], []))

    def conditional(self, node: ast.IfExp) -> None:
        self.generic(conditional(node))

    def assign(self, node: ast.Assign) -> None:
        if len(node.targets) == 1 and isinstance(node.value, ast.BinOp):
            operands = _augmented(node.targets[0], node.value)
            if operands is not None:
                self.under(f"{_OPERATORS[type(node.value.op)]}=", *operands)
                return
        self.under("=", *node.targets, node.value)

    def annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign(ast.Assign([node.target], node.value))

    def augmented(self, node: ast.AugAssign) -> None:
        self.under(f"{_OPERATORS[type(node.op)]}=", node.target, node.value)

    def binary(self, node: ast.BinOp) -> None:
        text = formatted(node)
        if text is not None:
            self.visit(text)
            return
        start = self.open(_OPERATORS[type(node.op)])
        if isinstance(node.op, _COMMUTATIVE):
            self.in_order((node.left, node.right))
        else:
            self.all((node.left, node.right))
        self.close(start)

    def unary(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            self.open(f"-{node.operand.value!r}"[:MAX_LITERAL])
        else:
            self.under(_OPERATORS[type(node.op)], node.operand)

    def boolean(self, node: ast.BoolOp) -> None:
        start = self.open(_OPERATORS[type(node.op)])
        self.in_order(node.values)
        self.close(start)

    def compare(self, node: ast.Compare) -> None:
        kinds = [type(op) for op in node.ops]
        operands = [node.left, *node.comparators]
        if all(kind in _MIRRORED for kind in kinds):
            start = self.open(" ".join(_MIRRORED[kind] for kind in reversed(kinds)))
            self.all(reversed(operands))
        else:
            start = self.open(" ".join(_OPERATORS[kind] for kind in kinds))
            if len(kinds) == 1 and kinds[0] in (ast.Eq, ast.NotEq):
                self.in_order(operands)
            else:
                self.all(operands)
        self.close(start)

    def call(self, node: ast.Call) -> None:
        text = formatted(node)
        if text is not None:
            self.visit(text)
            return
        self.under("()", node.func, *node.args, *node.keywords)

    def keyword(self, node: ast.keyword) -> None:
        self.under("**" if node.arg is None else f"{node.arg}=", node.value)

    def if_(self, node: ast.If) -> None:
        start = self.open("if")
        self.visit(node.test)
        self.block(node.body)
        self.otherwise(node.orelse)
        self.close(start)

    def for_(self, node: ast.For | ast.AsyncFor) -> None:
        start = self.open("for")
        self.all((node.target, node.iter))
        self.block(node.body)
        self.otherwise(node.orelse)
        self.close(start)

    def while_(self, node: ast.While) -> None:
        start = self.open("while")
        self.visit(node.test)
        self.block(node.body)
        self.otherwise(node.orelse)
        self.close(start)

    def otherwise(self, statements: list[ast.stmt]) -> None:
        if statements:
            start = self.open("else")
            self.block(statements)
            self.close(start)

    def slice(self, node: ast.Slice) -> None:
        parts = (node.lower, node.upper, node.step)
        self.under(":".join("" if part is None else "x" for part in parts), *parts)

    def handler(self, node: ast.ExceptHandler) -> None:
        start = self.open("except", node.name)
        self.all((node.type,))
        self.block(node.body)
        self.close(start)


def _docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    first = node.body[0]
    text = first.value.value if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else None
    return text if isinstance(text, str) else ""


def _is_simple(statement: ast.stmt) -> bool:
    """Tell an assignment to one name."""
    if isinstance(statement, ast.Assign):
        return len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name)
    return isinstance(statement, ast.AnnAssign | ast.AugAssign) and isinstance(statement.target, ast.Name)


def _augmented(target: ast.expr, value: ast.BinOp) -> tuple[ast.expr, ast.expr] | None:
    """Return (x, y) where `x = x + y`, or `x = y + x` for a commutative operator."""
    if not isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
        return None
    own = _spelt(target)
    if _spelt(value.left) == own:
        return target, value.right
    if isinstance(value.op, _COMMUTATIVE) and _spelt(value.right) == own:
        return target, value.left
    return None


def _spelt(node: ast.expr) -> str:
    """Return an expression's spelling without its context; "" for what no assignment takes."""
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else ""


_VISIT: dict[type[ast.AST], Callable[[_Planter, Any], None]] = {
    ast.FunctionDef: _Planter.function, ast.AsyncFunctionDef: _Planter.function, ast.ClassDef: _Planter.class_,
    ast.Lambda: _Planter.lambda_, ast.Name: _Planter.name, ast.Attribute: _Planter.attribute,
    ast.Constant: _Planter.constant, ast.Expr: _Planter.expression, ast.Assign: _Planter.assign,
    ast.AnnAssign: _Planter.annotated, ast.AugAssign: _Planter.augmented, ast.BinOp: _Planter.binary,
    ast.UnaryOp: _Planter.unary, ast.BoolOp: _Planter.boolean, ast.Compare: _Planter.compare, ast.Call: _Planter.call,
    ast.JoinedStr: _Planter.text, ast.IfExp: _Planter.conditional,
    ast.keyword: _Planter.keyword, ast.If: _Planter.if_, ast.For: _Planter.for_, ast.AsyncFor: _Planter.for_,
    ast.While: _Planter.while_, ast.Slice: _Planter.slice, ast.ExceptHandler: _Planter.handler,
    **dict.fromkeys(_SILENT, _Planter.silent),
}  # fmt: skip
