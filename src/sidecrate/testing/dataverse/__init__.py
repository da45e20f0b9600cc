# SPDX-License-Identifier: Apache-2.0
"""A strict imitation of Dataverse for tests of deposit clients."""

from sidecrate.testing.dataverse.server import FakeDataverse
from sidecrate.testing.dataverse.settings import Settings

__all__ = ["FakeDataverse", "Settings"]
