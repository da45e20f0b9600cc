# SPDX-License-Identifier: Apache-2.0
"""What the people who run a Dataverse may set, and how long its background work takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Settings:
    """Settings; change them at any time, also while the server runs.

    Attributes
    ----------
    checksum_algorithm : str
        ``MD5``, ``SHA-1``, ``SHA-256`` or ``SHA-512``: what native uploads get.
    max_file_bytes, quota_bytes, max_files : int or None
        Limits a file, a dataset, and on the number of files in a dataset; None is no limit.
    zip_members : int
        Most members of a zip that is unpacked.
    is_http_upload_on, is_direct_upload_on : bool
    is_tagging_on : bool
        Single upload URLs sign ``x-amz-tagging`` (off from 6.3 on where the store has ``disable-tagging``).
    part_bytes : int
        Largest single direct upload, and the size of parts above it.
    url_seconds : float
        How long upload URLs live.
    honours_range : bool
        Whether the store behind downloads gives part of a file.
    is_validation_on : bool
        Checksums are worked out again at a major publication,
    validation_bytes : int
        of files up to this size.
    publish_seconds, ingest_seconds, workflow_seconds, index_seconds : float
        How long each background job takes.
    has_workflow : bool
        A workflow runs before publication; the answer is 202.
    registration_fails : bool
        DataCite does not answer: publication is unlocked and the draft stays.
    needs_files : bool
        A dataset without files cannot be published.
    calls_an_hour : int or None
        A user and a command; 429 beyond (6.2).
    metadata_languages : tuple of str
        ``:MetadataLanguages``.
    moves_message : bool
        The opt-in flag of 6.12 that puts ``data.message`` at the top level.
    is_bag_handler_on : bool
        A zipped bag is checked against its manifest before it is unpacked.
    """

    checksum_algorithm: str = "MD5"
    max_file_bytes: int | None = None
    quota_bytes: int | None = None
    max_files: int | None = None
    zip_members: int = 1000
    is_http_upload_on: bool = True
    is_direct_upload_on: bool = True
    is_tagging_on: bool = True
    part_bytes: int = 1 << 30
    url_seconds: float = 3600.0
    honours_range: bool = True
    is_validation_on: bool = True
    validation_bytes: int = 1 << 40
    publish_seconds: float = 0.2
    ingest_seconds: float = 0.2
    workflow_seconds: float = 0.2
    index_seconds: float = 0.0
    has_workflow: bool = False
    registration_fails: bool = False
    needs_files: bool = False
    calls_an_hour: int | None = None
    metadata_languages: tuple[str, ...] = ()
    moves_message: bool = False
    is_bag_handler_on: bool = False
