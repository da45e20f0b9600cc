# SPDX-License-Identifier: Apache-2.0
"""What earlier versions of a dataset left that the next one can keep."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from sidecrate.errors import RepositoryError
from sidecrate.publish import restore
from sidecrate.publish.parcels import Base
from sidecrate.publish.parts import Entry, list_name
from sidecrate.publish.repositories.dataverse_files import checksum_of
from sidecrate.publish.repositories.http import Http

Json = dict[str, Any]
_LIST = re.compile(r"bag-parts-v([1-9]\d*)\.json")


def base_of(http: Http, held: Mapping[str, Json], number: int) -> Base | None:
    """Return what can be kept for version `number`; None when there is nothing, or its lists cannot be read."""
    earlier = sorted(one for name in held if (m := _LIST.fullmatch(name)) and (one := int(m[1])) < number)
    if not earlier:
        return None
    used: list[str] = []

    def read(name: str) -> Any:
        used.append(name)
        with http.download(f"api/access/datafile/{held[name]['dataFile']['id']}") as (_, blocks):
            return json.loads(b"".join(blocks))

    try:
        document, index = restore.resolve(list_name(earlier[-1]), read)
        entries = {path: Entry(*entry) for path, entry in index.items()}
        parts = {name: known for name, known in document["parts"].items() if is_whole(held.get(name), known)}
    except (RepositoryError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # everything is sent again: more than need be, but whole
    return Base(earlier[-1], entries, parts, tuple(used))


def is_whole(entry: Json | None, known: Mapping[str, Any]) -> bool:
    """Return whether a part is there as its list says; of other digests than it has, its size has to do."""
    if entry is None or entry["dataFile"].get("filesize") != known["bytes"]:
        return False
    algorithm, checksum = checksum_of(entry)
    return bool(known.get(algorithm, checksum) == checksum)


def as_sent(entry: Json, base: Base | None, name: str) -> Json:
    """Return size and digests of a file that is carried over."""
    algorithm, checksum = checksum_of(entry)
    known = dict((base.parts if base else {}).get(name, {}))
    return {"bytes": int(entry["dataFile"]["filesize"]), algorithm: checksum, **known, "kept": True}
