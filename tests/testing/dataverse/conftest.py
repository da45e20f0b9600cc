# SPDX-License-Identifier: Apache-2.0
"""One fake Dataverse a test, with background work that takes no time worth mentioning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sidecrate.testing import FakeDataverse
from testing.dataverse.client import Client


@pytest.fixture
def server() -> Iterator[FakeDataverse]:
    with FakeDataverse(version="6.12", publish_seconds=0.05, ingest_seconds=0.05) as running:
        yield running


@pytest.fixture
def client(server: FakeDataverse) -> Client:
    return Client(server)
