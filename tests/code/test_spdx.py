"""SPDX expressions and other spellings of licences."""

import pytest

from curate.code.spdx import join, license_type, normal


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
