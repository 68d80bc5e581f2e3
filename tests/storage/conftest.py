"""A real S3 server of these tests, a bucket for each, and clients that are told of it as any client is."""

import os
import uuid
from collections.abc import Iterator

import boto3
import pytest
import s3fs

from tests.storage.moto import moto

CLIENT = {  # the standard variables; timeouts and tries are the client's own
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "2",
}
FSSPEC = '{"config_kwargs": {"read_timeout": 1, "connect_timeout": 1}}'  # seconds: the stalls of the tests are short


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a moto server in a process of its own."""
    with moto(tmp_path_factory.mktemp("moto") / "log") as port:
        yield port


@pytest.fixture
def environment(server: int) -> dict[str, str]:
    """The environment of a process that reads and writes s3:// on the server."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RAY_"))}
    return ours | CLIENT | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server}", "FSSPEC_S3": FSSPEC}


@pytest.fixture
def here(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process read and write s3:// on the server."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def client(server: int) -> object:
    """The store's own client."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )


@pytest.fixture
def bucket(client: object) -> str:
    """The s3:// URL of an empty bucket."""
    name = f"b-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)  # type: ignore[attr-defined]
    return f"s3://{name}"
