"""Plants benchmark items in real documents, rewritten as copies are in the wild; for `benchmarks/decontaminate.py`.

    rewrite("renamed", source, rng)        # one of CODE_CHANGES
    insert("method", source, host, rng)    # one of PLACES: the host with the solution in it
    rewrite_text("edited", text, rng)      # one of TEXT_CHANGES

Every draw comes from the generator that is handed in. A rewriting that leaves a source as it was returns None, and is
not counted.
"""

import ast
import io
import random
import re
import textwrap
import tokenize
from collections.abc import Callable, Iterable

NAMES = (
    "value", "values", "item", "items", "data", "result", "res", "out", "acc", "total", "tmp", "left", "right",
    "node", "count", "num", "nums", "seq", "word", "words", "text", "s", "t", "arr", "lst", "cur", "prev", "best",
    "ans", "idx", "pos", "key", "val", "table", "cache", "stack", "queue", "start", "stop", "low", "high", "step",
    "size", "limit", "flag", "found", "first", "second", "third", "a", "b", "c", "d", "e", "f", "g", "h", "p", "q",
    "r", "u", "w", "x1", "x2", "y1", "y2", "z1", "z2",
)  # fmt: skip
VERBS = ("compute", "solve", "get", "process", "handle", "check", "build", "run", "apply", "do_step", "helper", "task")
SENTENCES = (
    "Return what the caller needs.",
    "Works on any input of the right type; see the notes of the second lecture.",
    "Berechnet das Ergebnis aus den Argumenten und gibt es zurück.",
    "Calcule le résultat à partir des arguments donnés.",
    "TODO: explain this better before the release.",
)
HINTS = ("int", "str", "float", "list[int]", "dict[str, int]", "Any")

Change = Callable[[str, random.Random], str]


def bound_names(tree: ast.AST) -> set[str]:
    """Return the names that a source binds itself: functions, arguments, assigned names."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found - {"self", "cls"}


def renamed(source: str, rng: random.Random) -> str:
    """Give every bound name a new one; docstring, comments and layout stay, character by character."""
    tree = ast.parse(source)
    old = sorted(bound_names(tree))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | set(old)
    fresh = [name for name in NAMES if name not in used] + [f"var_{k}" for k in range(200)]
    drawn = rng.sample(fresh[: max(len(old), 40)], len(old))
    new = {name: f"{rng.choice(VERBS)}_{drawn[k]}" if name in functions else drawn[k] for k, name in enumerate(old)}
    keywords = {(node.lineno, node.col_offset) for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    lines = source.splitlines(keepends=True)
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type != tokenize.NL]
    for before, token in reversed(list(zip([None, *tokens], tokens, strict=False))):
        is_name = token.type == tokenize.NAME and token.string in new and token.start not in keywords
        if is_name and (before is None or before.string != "."):
            row, lo = token.start[0] - 1, token.start[1]
            lines[row] = lines[row][:lo] + new[token.string] + lines[row][lo + len(token.string) :]
    return "".join(lines)


def reformatted(source: str, rng: random.Random) -> str:
    """Lay the code out anew: indentation, quotes, parentheses, line breaks, blank lines."""
    text = requoted(ast.unparse(ast.parse(source)))
    indent = rng.choice(["  ", "\t", "    ", "        "])
    out = []
    for line in text.split("\n"):
        bare = line.lstrip(" ")
        depth = (len(line) - len(bare)) // 4
        single = bare.count('"""') == 0
        match = re.fullmatch(r"return (.+)", bare)
        if match and single and rng.random() < 0.5:
            out += [indent * depth + "return (", indent * (depth + 1) + match[1], indent * depth + ")"]
            continue
        match = re.fullmatch(r"(if|while|elif) (.+):", bare)
        if match and single and rng.random() < 0.5:
            bare = f"{match[1]} ({match[2]}):"
        out.append(indent * depth + bare)
        if rng.random() < 0.1 and single and not bare.startswith("@"):
            out.append("")
    text = "\n".join(out)
    return text if _parses(text) else requoted(ast.unparse(ast.parse(source)))


def requoted(source: str) -> str:
    """Turn short strings in single quotes into double ones."""
    tokens = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        text = token.string
        if token.type == tokenize.STRING and text[0] == "'" and not set(text) & set('"\\\n'):
            text = f'"{text[1:-1]}"'
        tokens.append((token.type, text, token.start, token.end, token.line))
    return str(tokenize.untokenize(tokens))


def undocumented(source: str, rng: random.Random) -> str:
    """Take docstrings and comments out."""
    return ast.unparse(_documented(ast.parse(source), None))


def redocumented(source: str, rng: random.Random) -> str:
    """Put other docstrings (some in another language) and comments in."""
    lines = ast.unparse(_documented(ast.parse(source), rng.choice(SENTENCES))).split("\n")
    out = []
    for line in lines:
        if rng.random() < 0.2 and line.strip() and '"""' not in line and not line.lstrip().startswith(("e", "@")):
            out.append(f"{line[: len(line) - len(line.lstrip())]}# {rng.choice(SENTENCES)}")
        out.append(line)
    return "\n".join(out)


def _documented(tree: ast.Module, docstring: str | None) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            if docstring is not None:
                node.body.insert(0, ast.Expr(ast.Constant(docstring)))
    return ast.fix_missing_locations(tree)


def retyped(source: str, rng: random.Random) -> str:
    """Take type hints out where there are any, else put some in."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    hinted = any(node.returns or any(a.annotation for a in node.args.args) for node in functions)
    for node in functions:
        node.returns = None if hinted else ast.Name(rng.choice(HINTS))
        for argument in node.args.args:
            argument.annotation = None if hinted else ast.parse(rng.choice(HINTS), mode="eval").body
    return ast.unparse(ast.fix_missing_locations(tree))


class _Trivial(ast.NodeTransformer):
    """x += y <-> x = x + y, a < b -> b > a, and neighbouring independent assignments swapped."""

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if not isinstance(node.target, ast.Name):
            return node
        return ast.Assign([node.target], ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value))

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        target, value = node.targets[0], node.value
        same = isinstance(target, ast.Name) and isinstance(value, ast.BinOp) and isinstance(value.left, ast.Name)
        if len(node.targets) == 1 and same and value.left.id == target.id:
            return ast.AugAssign(target, value.op, value.right)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        mirror = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.Eq}
        if len(node.ops) == 1 and type(node.ops[0]) in mirror:
            return ast.Compare(node.comparators[0], [mirror[type(node.ops[0])]()], [node.left])
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        for k in range(len(node.body) - 1):
            one, two = node.body[k : k + 2]
            if _assigns(one) and _assigns(two) and not _stored(one) & _names(two) and not _stored(two) & _names(one):
                node.body[k : k + 2] = [two, one]
                break
        return node


def _assigns(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)


def _names(node: ast.AST) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def _stored(node: ast.AST) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)}


def trivial(source: str, rng: random.Random) -> str:
    """Change statements without changing what they do."""
    before = ast.unparse(ast.parse(source))
    after = ast.unparse(ast.fix_missing_locations(_Trivial().visit(ast.parse(source))))
    return source if before == after else after


def chain(*changes: Change) -> Change:
    def changed(source: str, rng: random.Random) -> str:
        for change in changes:
            source = change(source, rng)
        return source

    return changed


CODE_CHANGES: dict[str, Change] = {
    "exact": lambda source, rng: source,
    "renamed": renamed,
    "reformatted": reformatted,
    "comments removed": undocumented,
    "comments changed": redocumented,
    "type hints": retyped,
    "statements": trivial,
    "renamed + reformatted": chain(renamed, reformatted),
    "renamed + comments removed": chain(renamed, undocumented),
    "renamed + comments changed": chain(renamed, redocumented),
    "all of these": chain(renamed, redocumented, retyped, trivial, reformatted),
}


def rewrite(kind: str, source: str, rng: random.Random) -> str | None:
    """Return the source changed; None where there is nothing to change or the result is no Python."""
    changed = CODE_CHANGES[kind](source, rng)
    return changed if (kind == "exact" or changed != source) and _parses(changed) else None


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


PLACES = ("function", "method", "nested", "test file", "end")


def insert(place: str, source: str, host: str, rng: random.Random) -> str:
    """Return `host` with the solution in it; the host must parse and have a function and a class."""
    tree, lines = ast.parse(host), host.rstrip("\n").split("\n")
    if place == "method":
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.body[-1].col_offset > 0]
        if classes:
            node = rng.choice(classes)
            indent = " " * node.body[-1].col_offset
            as_method = _with_self(source)
            return _spliced(lines, node.end_lineno or 0, ["", *textwrap.indent(as_method, indent).split("\n")])
    if place == "nested":
        functions = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.body[0].lineno > n.lineno]
        if functions:
            node = rng.choice(functions)
            at = (node.body[0].end_lineno if ast.get_docstring(node) else node.body[0].lineno - 1) or 0
            return _spliced(lines, at, textwrap.indent(source, " " * node.body[0].col_offset).split("\n"))
    if place == "test file":
        tests = "def test_one():\n    assert callable(print)\n"
        return f"import pytest\n\n\n{source}\n\n\n{tests}\n\n" + "\n".join(lines)
    if place == "function":
        ends = [node.end_lineno or 0 for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        return _spliced(lines, rng.choice(ends), ["", "", *source.split("\n"), ""])
    return "\n".join([*lines, "", "", source, ""])


def _with_self(source: str) -> str:
    return re.sub(r"^(\s*def \w+\()(?=\S)", lambda m: m[1] + "self, ", source, count=1, flags=re.MULTILINE)


def _spliced(lines: list[str], at: int, new: Iterable[str]) -> str:
    return "\n".join([*lines[:at], *new, *lines[at:], ""])


def rewrapped(text: str, rng: random.Random) -> str:
    """Break the lines elsewhere, in other white space."""
    return "\n".join(textwrap.wrap(text, rng.choice((30, 50, 70)))).replace("\n", rng.choice(("\n", "\n  ", " \r\n")))


def restyled(text: str, rng: random.Random) -> str:
    """Typographic quotes and dashes, bold words, capitals."""
    text = text.replace("'", "\u2019").replace('"', "\u201c").replace(" - ", " \u2013 ")
    words = text.split(" ")
    for k in rng.sample(range(len(words)), max(1, len(words) // 8)):
        words[k] = rng.choice((f"**{words[k]}**", f"<b>{words[k]}</b>", words[k].upper()))
    return " ".join(words)


def edited(text: str, rng: random.Random) -> str:
    """Replace one word of twenty, at least one."""
    words = text.split(" ")
    for k in rng.sample(range(len(words)), max(1, len(words) // 20)):
        words[k] = rng.choice(("some", "other", "seven", "her", "blue"))
    return " ".join(words)


TEXT_CHANGES: dict[str, Change] = {
    "exact": lambda text, rng: text,
    "rewrapped": rewrapped,
    "restyled": restyled,
    "edited": edited,
}


def insert_text(text: str, page: str, rng: random.Random) -> str:
    """Return the page with the text between two of its paragraphs."""
    parts = page.split("\n")
    at = rng.randrange(len(parts) + 1)
    return "\n".join([*parts[:at], text, *parts[at:]])
