# SPDX-License-Identifier: Apache-2.0
"""Where packages can be deposited; found by the entry point `sidecrate.repositories`."""
