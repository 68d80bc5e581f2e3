"""Which files hold licences, and what files say."""

import pytest

from curate.code.license_text import detect, is_license_name, of_file

GPL = "GNU GENERAL PUBLIC LICENSE\n  Version 3, 29 June 2007"
MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy"
SECONDARY = (  # of MPL-2.0's definitions; EPL-2.0 has nearly the same
    '"Secondary License" means either the GNU General Public License, Version 2.0, the GNU Lesser General Public '
    "License, Version 2.1, the GNU Affero General Public License, Version 3.0, or any later versions"
)


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE",
        "LICENCE.txt",
        "license.md",
        "COPYING",
        "COPYING.LESSER",
        "LICENSE-MIT",
        "UNLICENSE",
        "MIT-LICENSE.txt",
    ],
)
def test_files_that_hold_licences(name):
    assert is_license_name(name)


@pytest.mark.parametrize(
    "name", ["license.py", "licenses.go", "LICENSE.js", "relicense.md", "copying_files.c", "README.md"]
)
def test_files_that_only_sound_like_licences(name):
    assert not is_license_name(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# SPDX-License-Identifier: MIT OR (Apache-2.0 AND BSD-3-Clause)\n", "MIT OR (Apache-2.0 AND BSD-3-Clause)"),
        ("(* SPDX-License-Identifier: (MIT OR ISC) *)", "MIT OR ISC"),
        ("<!-- (SPDX-License-Identifier: MIT) -->", "MIT"),
        ("# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ('"Commons Clause" License Condition v1.0\n' + MIT, "LicenseRef-scancode-commons-clause"),
        ("Business Source License 1.1", "BUSL-1.1"),
        ("Mozilla Public License Version 2.0\n" + SECONDARY, "MPL-2.0"),
        ("Eclipse Public License - v 2.0\n" + SECONDARY, "EPL-2.0"),
        ("# Licenses of plants, a table\n", ""),
    ],
)
def test_what_a_text_states(text, expected):
    assert detect(text) == expected


@pytest.mark.parametrize(
    ("text", "repository", "expected"),
    [
        ("x = 1", "BSD License", "BSD-3-Clause"),
        (GPL, "MIT", "GPL-3.0"),
        (MIT, "GPL-3.0", "GPL-3.0"),
        ("# SPDX-License-Identifier: MIT", "GPL-3.0", "MIT"),
        (MIT, "", "MIT"),
    ],
)
def test_of_file_and_repository_the_stricter_holds(text, repository, expected):
    assert of_file(text, repository) == expected
