# SPDX-License-Identifier: Apache-2.0
"""A strict imitation of InvenioRDM for tests of deposit clients."""

from sidecrate.testing.inveniordm.server import FakeInvenioRDM
from sidecrate.testing.inveniordm.settings import Settings

__all__ = ["FakeInvenioRDM", "Settings"]
