"""SPDX expressions and other spellings of licences."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.code.spdx import is_permissive, join, license_type, normal


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BSD License", "BSD-3-Clause"),
        ("Apache Software License", "Apache-2.0"),
        ("License :: OSI Approved :: MIT License", "MIT"),
        ("ISC License (ISCL)", "ISC"),
        ("GNU General Public License v3 (GPLv3)", "GPL-3.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("MIT, Apache-2.0", "MIT AND Apache-2.0"),
        ("My Own License", "My Own License"),
    ],
)
def test_common_spellings_become_spdx_s(name, expected):
    assert normal(name) == expected


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("MIT", "permissive"),
        ("MIT License OR GPL-3.0", "permissive"),
        ("mit or gpl-3.0-only", "permissive"),
        ("MIT/Apache-2.0", "permissive"),
        ("GPL-3.0/MIT", "permissive"),
        ("MIT AND (GPL-2.0 OR LGPL-2.1)", "non_permissive"),
        ("MIT AND (GPL-2.0 OR ISC)", "permissive"),
        ("((MIT))", "permissive"),
        ("Apache-2.0 WITH LLVM-exception AND BSD-2-Clause", "permissive"),
        ("Apache-2.0 WITH Commons-Clause", "non_permissive"),  # restricts, and is no exception of SPDX's
        ("GPL-2.0-only WITH Classpath-exception-2.0 OR MIT", "permissive"),
        ("Apache-2.0+", "permissive"),
        ("MIT OR", "non_permissive"),
        ("OR MIT", "non_permissive"),
        ("MIT AND AND ISC", "non_permissive"),
        ("(MIT", "non_permissive"),
        ("MIT)", "non_permissive"),
        ("()", "non_permissive"),
        ("(" * 2000 + "MIT" + ")" * 2000, "non_permissive"),
        ("LicenseRef-scancode-public-domain", "permissive"),
        ("LicenseRef-scancode-proprietary-license", "non_permissive"),
        ("other", "non_permissive"),
        ("NOASSERTION", "no_license"),
        ("", "no_license"),
        (None, "no_license"),
        ("MPL-1.1 OR GPL-2.0-only OR LGPL-2.1-or-later", "non_permissive"),
        ("Public Domain", "permissive"),
        ("CC-BY-NC", "non_permissive"),
    ],
)
def test_license_type_of_an_expression(expression, kind):
    assert license_type(expression) == kind


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ""),
        (["MIT"], "MIT"),
        (["MIT", "MIT License", ""], "MIT"),
        (["MIT OR ISC"], "MIT OR ISC"),
        (["MIT OR ISC", "Zlib"], "(MIT OR ISC) AND Zlib"),
    ],
)
def test_what_is_detected_together_all_holds(names, expected):
    assert join(names) == expected


TREES = st.recursive(
    st.sampled_from([("MIT", True), ("GPL-3.0-only", False), ("ISC", True), ("Apache-2.0 WITH LLVM-exception", True)]),
    lambda parts: st.tuples(st.sampled_from(["AND", "OR"]), st.lists(parts, min_size=2, max_size=3)),
    max_leaves=8,
)


def written(tree: Any) -> tuple[str, bool]:
    """Return an expression with every parenthesis, and its value."""
    head, rest = tree
    if head not in ("AND", "OR"):
        return head, rest
    parts = [written(part) for part in rest]
    decide = all if head == "AND" else any
    return "(" + f" {head} ".join(text for text, _ in parts) + ")", decide(value for _, value in parts)


@given(TREES, st.sampled_from([str, str.lower]))
def test_any_expression_is_evaluated_as_its_tree(tree: Any, spelled: Any) -> None:
    expression, value = written(tree)
    assert is_permissive(spelled(expression)) is value


def test_and_binds_closer_than_or() -> None:
    for expression in ("MIT OR GPL-3.0 AND AGPL-3.0", "GPL-3.0 AND AGPL-3.0 OR MIT", "MIT AND ISC OR GPL-3.0"):
        assert is_permissive(expression)
    assert not is_permissive("GPL-3.0 OR MIT AND AGPL-3.0")
