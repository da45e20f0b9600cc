# SPDX-License-Identifier: Apache-2.0
"""Real material for tests and demos."""
