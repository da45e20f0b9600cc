# SPDX-License-Identifier: Apache-2.0
"""Where people meet sidecrate."""
