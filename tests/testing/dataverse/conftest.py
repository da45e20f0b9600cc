# SPDX-License-Identifier: Apache-2.0
"""One fake Dataverse a test, with background work that is done when the test says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sidecrate.testing import FakeDataverse
from testing.dataverse.client import Client

HOURS = 3600.0 * 24


@pytest.fixture
def server() -> Iterator[FakeDataverse]:
    with FakeDataverse(version="6.12", publish_seconds=HOURS, ingest_seconds=HOURS, workflow_seconds=HOURS) as running:
        yield running


@pytest.fixture
def client(server: FakeDataverse) -> Client:
    return Client(server)
