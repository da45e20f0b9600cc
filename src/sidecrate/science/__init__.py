# SPDX-License-Identifier: Apache-2.0
"""The science steps: nouns in, nouns out. Knows arrays and networks, nothing of records or crates."""
