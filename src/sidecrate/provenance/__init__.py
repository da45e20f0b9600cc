# SPDX-License-Identifier: Apache-2.0
"""Observing runs and telling them: records, lineage, RO-Crate, preview. Knows no science library."""
