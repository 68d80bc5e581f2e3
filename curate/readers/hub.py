"""Data sets of the Hugging Face hub are URLs, like any other storage.

    Corpus(hub_url("HuggingFaceFW/fineweb", "sample/10BT"))        hf://datasets/HuggingFaceFW/fineweb/sample/10BT

`huggingface_hub` gives fsspec its `hf://` file system, with the user's token and cache; nothing is downloaded but the
byte ranges that are read. A revision is part of the name: `HuggingFaceFW/fineweb@v1.2.0`.
"""

from huggingface_hub import HfFileSystem
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

SCHEME = "hf://"


def hub_url(dataset: str, folder: str = "") -> str:
    """Return the URL of a data set, or of a folder in it; nothing is asked of the hub.

    >>> hub_url("HuggingFaceFW/fineweb", "sample/10BT")
    'hf://datasets/HuggingFaceFW/fineweb/sample/10BT'

    Raises:
        ValueError: no data set can have this name.
    """
    name, _, revision = dataset.partition("@")
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ValueError(f"{dataset!r} is not a data set of the Hugging Face hub (owner/name): {error}") from error
    below = folder.strip("/")
    return SCHEME + "/".join(filter(None, ("datasets", f"{name}@{revision}" if revision else name, below)))


def require_hub(url: str) -> None:
    """Raise, before any work, if an `hf://` URL cannot be reached.

    Raises:
        FileNotFoundError: the hub has nothing there, or not for this user.
        ConnectionError: the hub cannot be reached.
    """
    try:
        HfFileSystem().info(url)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{url} is not on the Hugging Face hub, or not for you; check the name, or log in with `hf auth login`"
        ) from error
    except Exception as error:  # the hub's HTTP client is not ours to name; whatever it raises, there was no answer
        why = f"{type(error).__name__}: {error}"
        raise ConnectionError(
            f"{url}: the Hugging Face hub gives no answer ({why}); go online, or give a local copy"
        ) from error
