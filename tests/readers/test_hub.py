"""Data sets of the hub are URLs; what their names mean needs no network."""

import pytest
from huggingface_hub import HfFileSystem

from curate.readers.hub import hub_url, require_hub


@pytest.mark.parametrize(
    ("dataset", "folder", "url"),
    [
        ("HuggingFaceFW/fineweb", "", "hf://datasets/HuggingFaceFW/fineweb"),
        ("HuggingFaceFW/fineweb", "/sample/10BT/", "hf://datasets/HuggingFaceFW/fineweb/sample/10BT"),
        ("HuggingFaceFW/fineweb@v1.2.0", "data", "hf://datasets/HuggingFaceFW/fineweb@v1.2.0/data"),
    ],
)
def test_a_name_becomes_the_url_that_fsspec_opens(dataset: str, folder: str, url: str) -> None:
    assert hub_url(dataset, folder) == url
    assert HfFileSystem._strip_protocol(url) == url.removeprefix("hf://")


@pytest.mark.parametrize("name", ["", "a/b/c", "a b/c", "-x/y", "x/y.."])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a data set of the Hugging Face hub"):
        hub_url(name)


def test_without_a_network_the_error_says_so() -> None:
    with pytest.raises(ConnectionError, match=r"gives no answer .* give a local copy"):
        require_hub(hub_url("HuggingFaceFW/fineweb"))
