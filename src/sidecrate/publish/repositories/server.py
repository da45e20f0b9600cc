# SPDX-License-Identifier: Apache-2.0
"""What repositories on a server do alike, whatever language the server speaks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from sidecrate.errors import Finding, InputError, RepositoryError
from sidecrate.provenance.records import now
from sidecrate.publish import restore, tokens
from sidecrate.publish.package import Package
from sidecrate.publish.parcels import Base, Parcel, Shipment
from sidecrate.publish.parts import Entry, list_name
from sidecrate.publish.repositories.base import DepositPlan, Limits, Receipt, Upload, Work
from sidecrate.publish.repositories.http import Http
from sidecrate.publish.sending import Told
from sidecrate.publish.trees import Progress

Json = dict[str, Any]
F = TypeVar("F")

LIMITS = ("max_files", "max_file_bytes", "max_bytes")
NOT_KNOWN_YET = {"md5": "0" * 32, "sha256": "0" * 64}
"""Stand-ins of the same length for the digests of a part that was not read yet."""


class ServerRepository:
    """One server, and who one is there.

    Parameters
    ----------
    location : str
        Its address.
    options : mapping
        What its table says beside.

    Raises
    ------
    InputError
        The address cannot be one, or an option is unknown.
    """

    gives_dois = True
    scheme: ClassVar[str]
    options: ClassVar[tuple[str, ...]]

    def __init__(self, location: str, options: Mapping[str, Any] | None = None) -> None:
        self._options = dict(options or {})
        if unknown := sorted(self._options.keys() - set(self.options)):
            known = ", ".join(self.options)
            raise InputError(f"{location}: unknown option {unknown[0]}; of {self.scheme} these are known: {known}")
        self.server = location.removesuffix("/").removesuffix("/api")
        self._http = self._connected(tokens.find(self.server, ask=False))

    def _connected(self, token: str | None) -> Http:
        return Http(self.server, token)

    @property
    def _publisher(self) -> str:
        return str(self._options.get("publisher") or self._http.host)

    @property
    def _source(self) -> str:
        """Return who says what the limits are, when the server does not."""
        return "the configuration" if self._options.keys() & set(LIMITS) else "usual for it"

    def _newest(self, work: Work) -> Receipt | None:
        own = [receipt for receipt in work.earlier if receipt.server == self.server]
        return own[-1] if own else None

    def _published(self, package: Package, work: Work) -> Receipt | None:
        """Return the newest receipt when it says that exactly this package is out already."""
        newest = self._newest(work)
        is_out = newest is not None and newest.status == "published" and newest.digest == package.digest
        return newest if is_out else None

    def _needs_token(self) -> None:
        if not self._http.has_token:
            self._http.use(tokens.find(self.server))
        if not self._http.has_token:
            name = tokens.variable(self.server)
            raise RepositoryError(f"{self._http.host}: a deposit needs a token; make one there and put it into {name}")

    def _receipt_of(
        self, package: Package | None, parcels: Mapping[str, Json], sent: Mapping[str, Any], **place: Any
    ) -> Receipt:
        """Return a receipt: what was deposited, and `place`, what the server calls it."""
        return Receipt(
            repository=self.scheme,
            package=package.identifier if package else None,
            digest=package.digest if package else None,
            files=len(package.digests) if package else 0,
            bytes=package.bytes if package else 0,
            new_bytes=sum(one["bytes"] for one in parcels.values() if not one.get("kept")),
            deposited=now(),
            contents=package.contents if package else {},
            publisher=self._publisher,
            server=self.server,
            parcels={
                name: {key: one[key] for key in ("bytes", *NOT_KNOWN_YET) if key in one}
                for name, one in parcels.items()
            },
            metadata=dict(sent),
            **place,
        )


# --------------------------------------------------------------------------------------------- what is to be sent


def needed(work: Work | None) -> Work:
    """Return what a deposit is about.

    Raises
    ------
    InputError
        Nobody has said.
    """
    if work is None:
        raise InputError("a server has to be told what a package is; deposit it from its project")
    return work


def own_project(package: Package, work: Work) -> str:
    """Return the identifier of the project that a package is of.

    Raises
    ------
    InputError
        It is of another one than the work is about.
    """
    if package.object_id != work.citation.project:
        raise InputError(f"{package.path.name}: a package of another project; deposit it from there")
    return work.citation.project


def base_of(
    held: Mapping[str, F],
    number: int,
    read: Callable[[str], bytes],
    is_whole: Callable[[F | None, Mapping[str, Any]], bool],
) -> Base | None:
    """Return what earlier versions left that version `number` can keep; None when their lists cannot be read.

    Parameters
    ----------
    held : mapping
        Name → what the server says of each file.
    number : int
    read : callable
        Name → bytes of a file.
    is_whole : callable
        Whether a file, None when it is gone, is what its list says.
    """
    earlier = [one for name in held if (m := restore.LIST.fullmatch(name)) and (one := int(m[1])) < number]
    if not earlier:
        return None
    used: list[str] = []

    def listed(name: str) -> Any:
        used.append(name)
        return json.loads(read(name))

    try:
        document, index = restore.resolve(list_name(max(earlier)), listed)
        entries = {path: Entry(*entry) for path, entry in index.items()}
        parts = {name: known for name, known in document["parts"].items() if is_whole(held.get(name), known)}
    except (RepositoryError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # everything is sent again: more than need be, but whole
    return Base(max(earlier), entries, parts, tuple(used))


def uploads_of(parcels: Sequence[Parcel], held: Mapping[str, bool], kept: Mapping[str, int]) -> list[Upload]:
    """Return every file of a version: new parcels, held already or not, and the bytes of those that stay."""
    new = [Upload(parcel.name, parcel.size, None, held.get(parcel.name, False)) for parcel in parcels]
    return new + [Upload(name, size, None, True) for name, size in kept.items()]


def nothing_to_do(receipt: Receipt) -> DepositPlan:
    """Return the plan for a package that is published already."""
    uploads = tuple(Upload(name, int(one["bytes"]), None, True) for name, one in sorted(receipt.parcels.items()))
    return DepositPlan(
        receipt.repository, receipt.object_id, receipt.version, uploads, False, metadata=receipt.metadata
    )


def files_by_path(shipment: Shipment) -> dict[str, str]:
    """Return path in the bag → file it will be in."""
    return {path: entry.file for path, entry in shipment.layout.index.items() if entry.file}


def too_much(uploads: Sequence[Upload], limits: Limits) -> Iterator[Finding]:
    """Yield a finding for each limit of a record that a version would exceed."""
    hint = "" if limits.source == "the server" else "; set max_bytes or max_files for this repository if it allows more"
    where = f"{limits.source}{hint}"
    total = sum(upload.bytes for upload in uploads)
    if limits.bytes is not None and total > limits.bytes:
        message = f"{total} bytes, a record may have {limits.bytes} ({where})"
        yield Finding("error", "deposit.quota", "bytes", message, "ask its people for more room first")
    if limits.files is not None and len(uploads) > limits.files:
        message = f"{len(uploads)} files, a record may have {limits.files} ({where})"
        yield Finding("error", "deposit.files", "files", message, "ask its people for more first")


def refuse_too_much(package: Package, uploads: Sequence[Upload], limits: Limits) -> None:
    """Stop before a byte is sent when all of it cannot be taken.

    Raises
    ------
    RepositoryError
        It cannot.
    """
    for finding in too_much(uploads, limits):
        raise RepositoryError(f"{package.path.name}: {finding.message}; {finding.advice}")


# ------------------------------------------------------------------------------------------------ what is there


def gone(where: str) -> Finding:
    """Return the finding that what a receipt is of cannot be seen."""
    message = "the server does not have it, or does not show it to this token"
    return Finding("error", "deposit.gone", where, message, "look at it in a browser")


def not_sent(name: str) -> Finding:
    """Return the finding that there is a file which no deposit has sent."""
    advice = "somebody may have added it; it is no part of the bag"
    return Finding("warning", "deposit.extra", name, "the repository holds a file that was not sent", advice)


def receipt_differences(receipt: Receipt, package: Package | None, where: str, doi: str | None) -> Iterator[Finding]:
    """Yield how a receipt differs from the DOI the server names and from the package, when it is given."""
    if receipt.doi and receipt.doi != doi:
        message = f"the receipt says {receipt.doi}, the server {doi}"
        yield Finding("error", "deposit.doi", where, message, "cite what the server says")
    if package is not None and package.digest != receipt.digest:
        yield Finding("error", "deposit.digest", "receipt", "it is of another package", "deposit again")


def fetched(
    target: Path,
    sizes: Mapping[str, int],
    download: Callable[[str, Path, Callable[[int], None]], None],
    what: str,
    progress: Progress | None,
) -> Path:
    """Write the bag that a version's files make at `target`.

    Parameters
    ----------
    target : Path
    sizes : mapping of str to int
        Name → bytes of every file there.
    download : callable
        Writes the file of a name into a folder and tells numbers of bytes.
    what : str
        For messages.
    progress : callable, optional

    Raises
    ------
    InputError
        The target exists.
    RepositoryError
        The files make no whole bag.
    """
    if target.exists():
        raise InputError(f"{target.name}: is there already; choose another name or remove it")
    told = Told(sum(sizes.values()), progress)
    with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=f".{target.name}.") as folder:
        for name in sizes:
            download(name, Path(folder), told.of(name))
        try:
            restore.restore(Path(folder), Path(folder) / "bag")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RepositoryError(f"{what} is no whole bag ({error})") from error
        (Path(folder) / "bag").rename(target)
    return target


def download(http: Http, place: str, file: Path, size: int | None, tell: Callable[[int], None]) -> None:
    """Write what lies at a place of a server into a file.

    Raises
    ------
    RepositoryError
        It has another size than it is said to have.
    """
    with http.download(place) as (_, blocks), file.open("wb") as out:
        for block in blocks:
            out.write(block)
            tell(len(block))
    if file.stat().st_size != size:
        message = f"{file.name} came with another size than it is said to have; try again"
        raise RepositoryError(f"{http.host}: {message}")


def read(http: Http, place: str) -> bytes:
    """Return what lies at a place of a server; for small files."""
    with http.download(place) as (_, blocks):
        return b"".join(blocks)
