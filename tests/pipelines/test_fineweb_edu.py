"""The FineWeb-Edu pipeline: what cannot end well is told before the first page is read."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.fineweb_edu import fineweb_edu


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"against": "nowhere"}, "nowhere does not exist"),
        ({"threshold": 9}, "scores are 0 to 5"),
        ({"recall": 1.5}, "a promise lies between 0 and 1"),
        ({"recall": 0.9999}, "too few|labels"),
    ],
)
def test_a_slip_is_told_before_the_first_page_is_read(tmp_path: Path, option: dict[str, Any], told: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "Leaves turn light into sugar."}\n')
    with pytest.raises((ValueError, FileNotFoundError), match=told):
        fineweb_edu(source=str(tmp_path / "in.jsonl"), output=str(tmp_path / "out"), **option)
    assert not (tmp_path / "out").exists()
