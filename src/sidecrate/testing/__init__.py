# SPDX-License-Identifier: Apache-2.0
"""Real material for tests and demos, and strict fake repositories for tests of deposit clients.

The fakes need the standard library only and run in the process of the test::

    from sidecrate.testing import FakeDataverse, faults

    with FakeDataverse(version="6.12") as server:
        server.fail(faults.drop_after(), method="POST", path="*/add")
        deposit(server.url, server.token)
        assert server.journal.bytes_received() < 1000
"""

from sidecrate.testing import faults
from sidecrate.testing.dataverse import FakeDataverse
from sidecrate.testing.inveniordm import FakeInvenioRDM

__all__ = ["FakeDataverse", "FakeInvenioRDM", "faults"]
