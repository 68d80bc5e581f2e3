"""Ways of writing that say the same, brought to one: what a rewriting changes beside names and layout.

    settled(ast.parse("if not x:\\n    y = 1\\nelse:\\n    y = 2").body)       # if x: y = 2, else: y = 1

    if not a: X else: Y          if a: Y else: X             also !=, not in, is not, <= and conditional expressions
    if a: return X else: Y       if a: return X, then Y      after return, raise, continue and break
    "{} b".format(a), "%s b" % a    f"{a} b"; and f"{a}" is str(a)

Only what Python itself treats alike (NaN aside), so that a tree never comes nearer to one that does something else.
The nodes given stay as they are.
"""

import ast
import re
import string
from collections.abc import Sequence

_JUMPS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.NotEq: ast.Eq,
    ast.NotIn: ast.In,
    ast.IsNot: ast.Is,
    ast.LtE: ast.Gt,
    ast.GtE: ast.Lt,
}
_PERCENT = re.compile(r"%(%|[-+0 #]*\d*(?:\.\d+)?[a-zA-Z])")


def settled(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a block in one way of writing; those inside them are left to their own blocks."""
    return [each for statement in statements for each in _statement(statement)]


def _statement(node: ast.stmt) -> list[ast.stmt]:
    if isinstance(node, ast.If) and node.orelse:
        test, body, orelse = node.test, node.body, node.orelse
        if not (len(orelse) == 1 and isinstance(orelse[0], ast.If)):  # elif stays where it is
            opposite = _opposite(test)
            if opposite is not None:
                test, body, orelse = opposite, orelse, body
        if isinstance(body[-1], _JUMPS):
            return [ast.copy_location(ast.If(test, body, []), node), *settled(orelse)]
        return [ast.copy_location(ast.If(test, body, orelse), node)]
    return [node]


def conditional(node: ast.IfExp) -> ast.IfExp:
    """Return a conditional expression whose test is not a negation."""
    opposite = _opposite(node.test)
    return node if opposite is None else ast.IfExp(opposite, node.orelse, node.body)


def _opposite(test: ast.expr) -> ast.expr | None:
    """Return the opposite of a test that says no, None for one that says yes."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in _OPPOSITE:
        return ast.Compare(test.left, [_OPPOSITE[type(test.ops[0])]()], test.comparators)
    return None


def formatted(node: ast.Call | ast.BinOp) -> ast.JoinedStr | None:
    """Return `"...".format(...)` or `"..." % ...` as the f-string it is; None for others, and for what has none."""
    if isinstance(node, ast.BinOp):
        if not isinstance(node.op, ast.Mod) or not _is_text(node.left):
            return None
        values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
        return _joined(_percent(node.left.value), values)  # type: ignore[attr-defined]
    function = node.func
    if not isinstance(function, ast.Attribute) or function.attr != "format" or not _is_text(function.value):
        return None
    if node.keywords or any(isinstance(value, ast.Starred) for value in node.args):
        return None
    return _joined(_braces(function.value.value), node.args)  # type: ignore[attr-defined]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _percent(text: str) -> list[tuple[str, str | None]]:
    """Return (text, format of the value behind it); the last has none."""
    parts: list[tuple[str, str | None]] = []
    at, before = 0, ""
    for match in _PERCENT.finditer(text):
        before += text[at : match.start()]
        at = match.end()
        if match.group(1) == "%":
            before += "%"
            continue
        parts.append((before, match.group(1) if match.group(1) not in ("s", "d", "i") else ""))
        before = ""
    return [*parts, (before + text[at:], None)]


def _braces(text: str) -> list[tuple[str, str | None]] | None:
    parts: list[tuple[str, str | None]] = []
    try:
        for before, name, how, _ in string.Formatter().parse(text):
            if name not in (None, "", str(len([p for p in parts if p[1] is not None]))):
                return None  # {name}, {1} before {0}
            parts.append((before, None if name is None else how))
    except ValueError:  # not a format
        return None
    return parts


def _joined(parts: list[tuple[str, str | None]] | None, values: Sequence[ast.expr]) -> ast.JoinedStr | None:
    if parts is None or sum(how is not None for _, how in parts) != len(values):
        return None
    left = iter(values)
    found: list[ast.expr] = []
    for before, how in parts:
        if before:
            found.append(ast.Constant(before))
        if how is not None:
            spec = ast.JoinedStr([ast.Constant(how)]) if how else None
            found.append(ast.FormattedValue(next(left), -1, spec))
    return ast.JoinedStr(found)


def alone(node: ast.JoinedStr) -> ast.expr | None:
    """Return the value of an f-string that is nothing but one value as it is: f"{x}" is str(x)."""
    if len(node.values) != 1 or not isinstance(node.values[0], ast.FormattedValue):
        return None
    only = node.values[0]
    return only.value if only.format_spec is None and only.conversion in (-1, 115) else None
