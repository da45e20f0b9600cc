# SPDX-License-Identifier: Apache-2.0
"""A ``multipart/form-data`` body (RFC 7578) that streams."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from sidecrate.publish.repositories.http import Body


class Form:
    """A ``multipart/form-data`` body of a ``jsonData`` part and perhaps a file, of known length, never in memory.

    Parameters
    ----------
    said : object
        The JSON.
    file : (str, str, Body), optional
        Name, type and bytes.
    """

    def __init__(self, said: Any, file: tuple[str, str, Body] | None = None) -> None:
        self._boundary = f"sidecrate-{uuid.uuid4().hex}"
        text = json.dumps(said, ensure_ascii=False)
        disposition = 'Content-Disposition: form-data; name="jsonData"'
        head = f"--{self._boundary}\r\n{disposition}\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{text}\r\n"
        if file is not None:
            disposition = f'Content-Disposition: form-data; name="file"; filename="{file[0]}"'
            head += f"--{self._boundary}\r\n{disposition}\r\nContent-Type: {file[1]}\r\n\r\n"
        self._head = head.encode()
        self._file = file[2] if file else None
        self._tail = (f"\r\n--{self._boundary}--\r\n" if file else f"--{self._boundary}--\r\n").encode()

    @property
    def headers(self) -> dict[str, str]:
        """Return what says how the body is to be read."""
        return {"Content-Type": f"multipart/form-data; boundary={self._boundary}"}

    def __len__(self) -> int:
        return len(self._head) + (len(self._file) if self._file is not None else 0) + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        if self._file is not None:
            yield from self._file
        yield self._tail
