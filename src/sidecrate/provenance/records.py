# SPDX-License-Identifier: Apache-2.0
"""The records of a project: one JSON file a run, chained by digest, and the journals of runs under way.

::

    records/000012-train.json           written once, when the run has ended
    .sidecrate/runs/<uuid>.json         journal of a run under way, locked by its process

A journal that nobody holds belongs to a process that was killed; `Ledger.recover` turns it into a record of an
interrupted run, so that nothing that happened goes unsaid.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sidecrate.artifacts import KINDS, Artifact, Files, Image
from sidecrate.digests import canonical_json, write_atomic
from sidecrate.errors import RecordError
from sidecrate.provenance import schemas
from sidecrate.store import open_version, try_lock, version_numbers

Record = dict[str, Any]

FOLDER = "records"
PRIVATE = ".sidecrate"
_EVERY = {"id", "number", "step", "status", "started", "ended", "previous", "inputs", "outputs", "parameters", "agents"}
_SCHEMA_ID = "urn:sidecrate:schema:record:1"


def now() -> str:
    """Return the time as ISO 8601 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def use_of(artifact: Artifact, role: str) -> dict[str, Any]:
    """Return how a record names an artifact."""
    return {
        "role": role,
        "kind": artifact.kind,
        "ref": artifact.ref,
        "place": artifact.place,
        "digest": artifact.digest,
    }


def sources_of(artifact: Artifact) -> list[dict[str, Any]]:
    """Return how the record of the run that made an artifact names the file it was copied from, if it was."""
    source = artifact.source if isinstance(artifact, Image) else None
    return [{"role": "source", **source}] if source else []


class Ledger:
    """The records below one project folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / FOLDER
        self._journals = root / PRIVATE / "runs"

    def paths(self) -> list[Path]:
        """Return the record files, oldest first."""
        return sorted(self._folder.glob("[0-9]*.json"))

    def read(self) -> list[Record]:
        """Return all records, oldest first.

        Raises
        ------
        RecordError
            One is not readable JSON.
        """
        return [read_record(path) for path in self.paths()]

    def head(self) -> str | None:
        """Return the digest of the newest record: the head of the chain, None before the first."""
        paths = self.paths()
        return digest_of(paths[-1]) if paths else None

    def append(self, record: Record) -> Record:
        """Write a record as the next of the chain and return it with its number.

        Raises
        ------
        RecordError
            It breaks the schema; nothing is written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.locked():
            number = _number(paths[-1]) + 1 if (paths := self.paths()) else 1
            whole = {**record, "schema": _SCHEMA_ID, "number": number, "previous": self.head()}
            check(whole)
            path = self._folder / f"{number:06d}-{record['step']}.json"
            write_atomic(path, canonical_json(whole))
            path.chmod(0o444)
        self._journal(record["id"]).unlink(missing_ok=True)
        return whole

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the project's lock: one writer of records and crate at a time, processes included."""
        lock = self.root / PRIVATE / "lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def journal(self, started: Record) -> Iterator[None]:
        """Keep what is known of a run on disk while it is under way, locked by this process; its record ends it.

        Raises
        ------
        RecordError
            It cannot be written, or no record could be made of it; the run has not begun.
        """
        _check_started(started)  # else `recover` could make no record of it
        try:
            file = self._begin(started)
        except OSError as error:
            why = f"its journal cannot be written ({error.strerror})"
            raise RecordError(f"{started['step']} was not begun: {why}; free space or rights, and run again") from error
        with file:
            yield

    def _begin(self, started: Record) -> IO[bytes]:
        self._journals.mkdir(parents=True, exist_ok=True)
        path = self._journal(started["id"])
        hidden = path.with_suffix(".new")  # seen by nobody until it is locked
        file = hidden.open("wb")  # stays open, because the lock goes with it
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(canonical_json(started))
        file.flush()
        hidden.rename(path)
        return file

    def _journal(self, run_id: str) -> Path:
        return self._journals / f"{run_id.removeprefix('urn:uuid:')}.json"

    def recover(self) -> list[Record]:
        """Write a record for each run that was killed, and return them.

        A version that such a run had completed, but not yet recorded, becomes its output.
        """
        recovered = []
        for path in sorted(self._journals.glob("*.json")):
            with suppress(FileNotFoundError), path.open("rb") as file:
                if try_lock(file):
                    recovered += self._interrupted(file.read())
                    path.unlink(missing_ok=True)
        return recovered

    def _interrupted(self, journal: bytes) -> list[Record]:
        try:
            started: Record = json.loads(journal)
            _check_started(started)
        except (ValueError, TypeError, KeyError, RecursionError, RecordError):
            return []  # the machine went down before the journal reached the disk, or it is none of ours
        records = self.read()
        if any(record["id"] == started["id"] for record in records):
            return []
        orphans = [artifact for artifact in self._unrecorded(records) if self._made_by(started, artifact)]
        outputs = [use_of(artifact, "result") for artifact in orphans]
        inputs = started["inputs"] + [source for artifact in orphans for source in sources_of(artifact)]
        return [self.append({**_cut_short(started), "inputs": inputs, "outputs": outputs})]

    def _made_by(self, started: Record, artifact: Artifact) -> bool:
        """Return whether a run was to write there; a run of somebody else's program keeps its files as `Files`."""
        into: str | None = started["parameters"].get("into")
        return into == f"{artifact.folder}/{artifact.name}" if into else isinstance(artifact, Files)

    def _unrecorded(self, records: list[Record]) -> Iterator[Artifact]:
        known = {use.get("place") for record in records for use in record["outputs"]}
        for artifact in artifacts_below(self.root):
            if artifact.place not in known:
                yield artifact


def _cut_short(started: Record) -> Record:
    return {**started, "status": "interrupted", "ended": now()}


def _check_started(started: Record) -> None:
    check(_cut_short(started) | {"schema": _SCHEMA_ID, "number": 1, "previous": None})


def check(record: Record) -> None:
    """Check a record against the schema of all records and, if it is of a step of ours that ended well, its own.

    Raises
    ------
    RecordError
        It does not fit.
    """
    step = record.get("step", "")
    schemas.check("record", record, f"record of {step}")
    is_ours = record["instrument"]["name"] == f"sidecrate {step}" and step in schemas.names()
    if is_ours and record["status"] == "completed":
        schemas.check(step, record, f"record of {step}")


def read_record(path: Path) -> Record:
    """Return one record file.

    Raises
    ------
    RecordError
        It is not readable JSON, or lacks what every record has.
    """
    try:
        record: Record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{FOLDER}/{path.name}: not readable ({error}); run `sidecrate audit`") from error
    if not isinstance(record, dict) or not record.keys() >= _EVERY:  # the whole schema takes long
        raise RecordError(f"{FOLDER}/{path.name}: not a record; run `sidecrate audit` and restore it")
    return record


def _number(path: Path) -> int:
    return int(path.name.partition("-")[0])


def digest_of(path: Path) -> str:
    """Return ``sha256:<hex>`` of a record file, what the next record calls `previous`."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def artifacts_below(root: Path) -> Iterator[Artifact]:
    """Yield every version of every artifact below a project folder, by kind, name and number."""
    for noun in KINDS.values():
        for series in sorted((root / noun.folder).glob("[a-z0-9]*")):
            for number in version_numbers(series):
                yield open_version(series / f"v{number}")
