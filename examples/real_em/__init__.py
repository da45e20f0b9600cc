# SPDX-License-Identifier: Apache-2.0
"""The loop on a real volume: three slices labelled, then the two that `suggest` names."""
