# SPDX-License-Identifier: Apache-2.0
"""Tabular ingest: after the answer a csv becomes a ``.tab``, under the lock ``Ingest``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import PurePosixPath

from sidecrate.testing.blobs import Blob
from sidecrate.testing.dataverse.filenames import free_label
from sidecrate.testing.dataverse.server import FakeDataverse
from sidecrate.testing.dataverse.state import DataFile, Dataset, Entry, Lock

LARGEST_BYTES = 32 << 20  # larger tables stay as they are: a fake has no use for them


def begin(server: FakeDataverse, dataset: Dataset, files: list[DataFile], user: str, hangs: bool) -> None:
    """Set the lock and ingest the files a little later; a lock that hangs is never lifted."""
    if not files:
        return
    lock = dataset.lock("Ingest", user, f"{len(files)} file(s) being ingested")
    if not hangs:
        server.later(server.settings.ingest_seconds, lambda: _ingest(server, dataset, files, lock))


def _ingest(server: FakeDataverse, dataset: Dataset, files: list[DataFile], lock: Lock) -> None:
    for file in files:
        entries = [entry for version in dataset.versions for entry in version.entries if entry.file is file]
        if not entries:
            continue  # deleted meanwhile
        table = list(rows(file.blob, file.content_type))
        if table and len({len(row) for row in table}) == 1:
            _convert(server, dataset, file, entries, table)
    if lock in dataset.locks:
        dataset.locks.remove(lock)


def _convert(
    server: FakeDataverse, dataset: Dataset, file: DataFile, entries: list[Entry], table: list[list[str]]
) -> None:
    """Put the table in the place of the upload; the checksum stays that of the upload."""
    file.original, file.original_type, file.original_name = file.blob, file.content_type, entries[0].label
    lines = ["\t".join(_cell(value) for value in row) for row in table[1:]]  # the header goes into the DDI
    file.blob = server.new_blob([("\n".join(lines) + "\n").encode()])
    file.content_type = "text/tab-separated-values"
    for entry in entries:
        taken = [other.path for other in dataset.latest.entries if other is not entry]
        entry.label = free_label(f"{PurePosixPath(entry.label).stem}.tab", entry.directory, taken)


def _cell(value: str) -> str:
    try:
        float(value)
    except ValueError:
        escaped = value.replace('"', '\\"')
        return f'"{escaped}"'
    return value


def rows(blob: Blob, content_type: str) -> Iterator[list[str]]:
    """Yield the rows of a table, header first; none when it cannot be read.

    Comma- and tab-separated text is really read. Of the binary formats, which no standard library reads, a table of
    one cell stands for the content: what matters to a client is that the bytes are others.
    """
    if blob.size > LARGEST_BYTES:
        return
    if content_type not in ("text/csv", "text/tsv"):
        yield from ([content_type], [str(blob.size)])
        return
    try:
        text = blob.read().decode("utf-8-sig")
        delimiter = "\t" if content_type == "text/tsv" else ","
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except (UnicodeDecodeError, csv.Error):
        yield []
