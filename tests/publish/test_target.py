"""URLs of the hub."""

import pytest

from curate.publish.target import Target, parse_target


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("hf://datasets/ada/edu", Target("dataset", "ada/edu")),
        ("hf://ada/small", Target("model", "ada/small")),
        ("hf://datasets/ada/edu@v1.2/2024/10", Target("dataset", "ada/edu", "v1.2", "2024/10")),
        ("hf://datasets/ada/edu/sample", Target("dataset", "ada/edu", "main", "sample")),
        ("hf://datasets/ada/edu@refs/pr/3/sub", Target("dataset", "ada/edu", "refs/pr/3", "sub")),
        ("hf://datasets/ada/edu@feature%2Fx", Target("dataset", "ada/edu", "feature/x")),
        ("hf://datasets/ada/edu/a@b", Target("dataset", "ada/edu", "main", "a@b")),
    ],
)
def test_a_url_is_a_repository_a_revision_and_a_folder(url: str, expected: Target) -> None:
    assert parse_target(url) == expected


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("s3://bucket/edu", "is no place on the hub"),
        ("hf://datasets/edu", "names no repository"),
        ("hf://spaces/ada/app", "is in spaces"),
        ("hf://datasets/ada/--edu", "no repository of the hub can be called"),
        ("hf://datasets/ada/edu@", "a revision is named after @"),
        ("hf://datasets/ada/edu/../other", "is no folder of a repository"),
    ],
)
def test_what_is_no_place_on_the_hub_is_said_in_one_sentence(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_target(url)
