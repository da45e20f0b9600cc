# SPDX-License-Identifier: Apache-2.0
"""The same tests for the fake and, where INVENIORDM_URL names one, for a real InvenioRDM."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sidecrate.testing import FakeInvenioRDM
from testing.inveniordm.site import Site

HOURS = 3600.0 * 24


@pytest.fixture
def fake() -> Iterator[FakeInvenioRDM]:
    with FakeInvenioRDM(index_seconds=HOURS, checksum_seconds=HOURS) as running:
        yield running


def site_of(fake: FakeInvenioRDM) -> Site:
    return Site(fake.url, [fake.token, fake.stranger_token, fake.admin_token], fake)


@pytest.fixture(scope="session")
def real() -> Site:
    names = ("INVENIORDM_TOKEN", "INVENIORDM_TOKEN_STRANGER", "INVENIORDM_TOKEN_ADMIN")
    if "INVENIORDM_URL" not in os.environ:
        pytest.skip("no real InvenioRDM: set INVENIORDM_URL and INVENIORDM_TOKEN")
    return Site(os.environ["INVENIORDM_URL"], [os.environ.get(name) for name in names])


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.live)])
def site(request: pytest.FixtureRequest) -> Site:
    if request.param == "fake":
        return site_of(request.getfixturevalue("fake"))
    return request.getfixturevalue("real")
