# SPDX-License-Identifier: Apache-2.0
"""Other people's code in the same graph: a decorated function, and a recorded block."""
