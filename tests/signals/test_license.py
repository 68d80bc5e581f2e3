"""Licences: SPDX lines, the words of the commonest licences, expressions, and what is known to be permissive."""

import pyarrow as pa
import pytest

from curate.code.license_text import detect
from curate.code.spdx import is_permissive
from curate.signals import license as licenses
from curate.signals.license import License
from curate.stage import Keep, Measure

MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy\nof this software"
BSD2 = "Redistribution and use in source and binary forms, with or without modification, are permitted"
GPL = """
# This program is free software: you can redistribute it and/or modify
# it under the terms of the GNU General Public License as published by
# the Free Software Foundation, either version 3 of the License, or
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("// SPDX-License-Identifier: MIT\nint a;", "MIT"),
        ("/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */", "GPL-2.0-only WITH Linux-syscall-note"),
        ("# SPDX-License-Identifier: (MIT OR Apache-2.0)", "MIT OR Apache-2.0"),
        ("# spdx-license-identifier: BSD-3-Clause\n", "BSD-3-Clause"),
        (MIT, "MIT"),
        (f"{BSD2}\nNeither the name of the copyright holder", "BSD-3-Clause"),
        (BSD2, "BSD-2-Clause"),
        (GPL, "GPL-3.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n                       Version 3, 29 June 2007", "LGPL-3.0"),
        ("                     GNU GENERAL PUBLIC LICENSE\n                       Version 2, June 1991", "GPL-2.0"),
        (
            "                                 Apache License\n                           Version 2.0, January",
            "Apache-2.0",
        ),
        (' * Licensed under the Apache License, Version 2.0 (the "License");', "Apache-2.0"),
        ("Mozilla Public License Version 2.0\n====", "MPL-2.0"),
        ("This is free and unencumbered software released into the public domain.", "Unlicense"),
        ("# Licensed under the MIT license.", "MIT"),
        ("Permission to use, copy, modify, and/or distribute this software for any purpose with or", "ISC"),
        ("print('hello')", ""),
        ("", ""),
        ("x = 1\n" * 2000 + "# SPDX-License-Identifier: MIT", ""),  # not in the head
    ],
)
def test_a_licence_is_found(text, expected):
    assert detect(text) == expected


@pytest.mark.parametrize(
    ("name", "permissive"),
    [
        ("MIT", True),
        ("mit", True),
        ("Apache-2.0", True),
        ("GPL-3.0-or-later", False),
        ("LGPL-2.1+", False),
        ("MPL-2.0", False),
        ("MIT OR GPL-3.0", True),
        ("MIT AND GPL-3.0", False),
        ("(MIT OR GPL-3.0) AND Apache-2.0", True),
        ("MIT OR GPL-3.0 AND AGPL-3.0", True),  # AND binds closer
        ("(MIT OR GPL-3.0) AND AGPL-3.0", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0 WITH Classpath-exception-2.0", False),
        ("Apache 2.0 License", True),
        ("BSD License", True),
        ("CC-BY-SA", False),
        ("CC-BY", True),
        ("other", False),
        ("", False),
        ("(MIT", False),
    ],
)
def test_what_is_permissive(name, permissive):
    assert is_permissive(name) is permissive


def test_of_file_and_repository_the_stricter_holds_unless_the_file_names_its_own():
    rows = pa.RecordBatch.from_pydict(
        {
            "text": [GPL, MIT, "// SPDX-License-Identifier: MIT", "x", "x", MIT, None],
            "license": ["MIT", "GPL-3.0", "GPL-3.0", "Apache-2.0", None, None, "MIT"],
        }
    )
    marked = Keep(licenses.RULES)(Measure((License(),))(rows))
    assert marked["license.stated"].to_pylist() == ["GPL-3.0", "GPL-3.0", "MIT", "Apache-2.0", "", "MIT", None]
    assert marked["license.permissive"].to_pylist() == [0, 0, 1, 1, 0, 1, None]
    assert [bool(rules) for rules in marked["dropped_by"].to_pylist()] == [True, True, False, False, True, False, False]
    assert License()(rows.select(["text"]))["license.stated"].to_pylist()[1] == "MIT"


def test_license_type_is_the_stack_v2_s_assignment():
    """GitHub's label first, then all that was detected; its own column holds unless the file is stricter."""
    rows = pa.RecordBatch.from_pydict(
        {
            "text": ["x", "x", "x", "x", GPL, "x"],
            "gha_license_id": ["mit", "gpl-3.0", None, None, None, None],
            "license": ["GPL-3.0", "MIT", "MIT AND GPL-2.0", "", "MIT", "LicenseRef-scancode-x"],
            "license_type": [None, None, None, None, "permissive", "permissive"],
        }
    )
    found = License()(rows)
    expected = ["permissive", "non_permissive", "non_permissive", "no_license", "non_permissive", "permissive"]
    assert found["license_type"].to_pylist() == expected
    marked = Keep(licenses.STACK_V2)(Measure((License(),))(rows))
    assert [bool(rules) for rules in marked["dropped_by"].to_pylist()] == [False, True, True, False, True, False]
