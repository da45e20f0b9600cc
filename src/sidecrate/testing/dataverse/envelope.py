# SPDX-License-Identifier: Apache-2.0
"""The shapes of Dataverse's answers: ``{"status": "OK", "data": …}`` and its errors."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sidecrate.testing.messages import Answer, RefusalError, json_answer


class UncheckedError(RefusalError):
    """What Dataverse did not foresee: 500 with an ``incidentId``."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            500,
            "Internal server error. More details available at the server logs.",
            incidentId=str(uuid.uuid4()),
            internalError=cause,
        )


def ok(data: Any, status: int = 200, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
    """Return a success; `more` stands beside ``data``, such as ``totalCount`` or ``message``."""
    return json_answer({"status": "OK", **more, "data": data}, status, headers)


def text(message: str, moved: bool = False) -> Answer:
    """Return a success that has only words, in ``data.message`` or, where the flag of 6.12 is set, at the top."""
    if moved:
        return json_answer({"status": "OK", "message": message})
    return ok({"message": message})


def error(refusal: RefusalError) -> Answer:
    """Return an error."""
    return json_answer({"status": "ERROR", **refusal.extra, "message": refusal.message}, refusal.status)


def not_permitted(user: str, permission: str) -> RefusalError:
    """Return what a command says to somebody without the right: 401, not 403."""
    return RefusalError(401, f"User @{user} is not permitted to perform requested action ({permission} needed).")
