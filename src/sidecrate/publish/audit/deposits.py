# SPDX-License-Identifier: Apache-2.0
"""A deposit on a server, by its receipt, address or DOI: what is there, against what was sent.

With a receipt everything that was sent is compared. Without one the deposit is held against itself: the list of
parts and ``datacite.json`` that lie in it. Public records need no token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from sidecrate.artifacts import META, Deposit, read_meta
from sidecrate.errors import Finding, InputError, NetworkError, RecordError
from sidecrate.publish.repositories.base import Receipt, open_repository
from sidecrate.publish.repositories.inveniordm import InvenioRdmRepository
from sidecrate.publish.targets import Target

_DOI = re.compile(r"(?:doi:|https?://(?:dx\.)?doi\.org/)?(10\.\d{4,9}/\S+)", re.IGNORECASE)
_PAGE = re.compile(r"/(?:api/)?(?:records|uploads)/([a-z0-9-]+)(?:/draft)?/?")


def is_address(target: str) -> bool:
    """Return whether something to audit is a DOI or an address rather than a path."""
    return target.startswith(("https://", "http://")) or _DOI.fullmatch(target) is not None


def receipt_at(path: Path) -> Receipt | None:
    """Return the receipt in a file, or in a version of a deposit, None when it is neither.

    Raises
    ------
    RecordError
        It is one, and broken.
    """
    if (path / META).is_file() and (meta := read_meta(path)).get("kind") == Deposit.kind:
        return Receipt.from_dict(meta["receipt"])
    if path.suffix != ".json" or not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    is_one = isinstance(found, dict) and str(found.get("schema", "")).startswith("urn:sidecrate:schema:receipt:")
    return Receipt.from_dict(found) if is_one else None


def check_receipt(receipt: Receipt) -> Iterator[Finding]:
    """Yield how what a server holds differs from a receipt.

    Raises
    ------
    RecordError
        The receipt does not say which server.
    """
    if receipt.server is None:
        raise RecordError(f"the receipt of {receipt.object_id} names no server; audit the storage root itself")
    yield from open_repository(Target(receipt.repository, receipt.server)).check(receipt)


def check_address(address: str, receipts: Sequence[Receipt]) -> Iterator[Finding]:
    """Yield what is wrong with the deposit behind a DOI or an address.

    Parameters
    ----------
    address : str
    receipts : sequence of Receipt
        Those of the project at hand; the one of this deposit is used when it is among them.

    Raises
    ------
    InputError
        It leads to no record of a known kind of server.
    """
    doi, page = _DOI.fullmatch(address), _PAGE.fullmatch(urlsplit(address).path)
    for receipt in reversed(receipts):
        of_doi = doi is not None and doi[1].lower() == (receipt.doi or "").lower()
        of_page = page is not None and receipt.record == page[1] and address.startswith(str(receipt.server))
        if receipt.parcels and (of_doi or of_page):
            yield from check_receipt(receipt)
            return
    url = address if doi is None else _landing(doi[1])
    found = _PAGE.fullmatch(urlsplit(url).path)
    if found is None:
        raise InputError(f"{address}: leads to {url}, which is no record of a known kind of server; audit its receipt")
    parts = urlsplit(url)
    yield from InvenioRdmRepository(f"{parts.scheme}://{parts.netloc}").check_itself(found[1])


def _landing(doi: str) -> str:
    """Return the address a DOI leads to; only the resolver is asked."""
    try:
        answer = requests.get(f"https://doi.org/api/handles/{doi}", params={"type": "URL"}, timeout=(30, 60))
        values: list[Any] = answer.json().get("values", []) if answer.status_code == 200 else []
    except (requests.RequestException, ValueError) as error:
        raise NetworkError(f"doi.org: no answer about {doi}; check the network, or give the address") from error
    urls = [str(value["data"]["value"]) for value in values if value.get("type") == "URL"]
    if not urls:
        raise InputError(f"{doi}: nobody has registered it (yet); a draft is audited by its receipt or address")
    return urls[0]
