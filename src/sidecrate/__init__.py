# SPDX-License-Identifier: Apache-2.0
"""Label, train, predict and measure volume EM; provenance, packages and citations come out on the side."""
