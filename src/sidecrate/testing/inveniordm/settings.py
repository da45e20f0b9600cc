# SPDX-License-Identifier: Apache-2.0
"""What the people who run an InvenioRDM may set, and how long its background work takes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Settings:
    """Settings; change them at any time, also while the server runs.

    Attributes
    ----------
    max_files : int
        In a record.
    max_file_bytes, quota_bytes : int
        Of a file and of a record; 400 beyond.
    max_body_bytes : int
        Of any request; 413 beyond, before the body is read. Parts of a multipart upload get round it.
    user_calls, guest_calls : int
        Requests a minute for each address and User-Agent, with a token and without.
    index_seconds : float
        How long a write takes to show in searches.
    checksum_seconds : float
        How long the checksum of a multipart upload stays ``null`` after the commit.
    allows_metadata_only : bool
        Records without files can be published.
    doi_prefix : str
        Of the DOIs the instance mints.
    custom_fields : dict of str to str
        Name → ``keyword``, ``text``, ``integer``, ``double`` or ``boolean``; with ``*`` at the end it is a list.
    """

    max_files: int = 100
    max_file_bytes: int = 10**10
    quota_bytes: int = 10**10
    max_body_bytes: int = 100 << 20
    user_calls: int = 1000
    guest_calls: int = 500
    index_seconds: float = 1.0
    checksum_seconds: float = 0.2
    allows_metadata_only: bool = True
    doi_prefix: str = "10.5072"
    custom_fields: dict[str, str] = field(default_factory=dict)
