# SPDX-License-Identifier: Apache-2.0
"""Digests as repositories give them."""

from __future__ import annotations

import hashlib


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
