# SPDX-License-Identifier: Apache-2.0
"""Other people's judges: what a stranger's tools will say, kept from writing into anybody's terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sidecrate.errors import Finding


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries that log to the root logger silent: what they find is in the findings."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def ask_bagit(folder: Path) -> Iterator[Finding]:
    """Yield a warning when bagit-python, the library a stranger would use, refuses a bag; payload is not read again.

    It is known to refuse some good names (LibraryOfCongress/bagit-python#157), so it does not decide.
    """
    import bagit

    try:
        with quiet():
            bagit.Bag(str(folder)).validate(completeness_only=True)
    except (bagit.BagError, OSError, UnicodeError) as error:
        reason = " ".join(str(error).split())
        advice = "mend what the other findings name; if there are none, rename the files it objects to"
        yield Finding("warning", "bagit.python", ".", f"bagit-python refuses the bag: {reason}", advice)


def ask_ocfl(folder: Path, *, is_root: bool) -> list[str]:
    """Return the messages of ocfl-py on one object, digests included, or on the structure of a storage root."""
    from ocfl import Object, StorageRoot

    with quiet():
        if not is_root:
            return list(Object().validate(str(folder))[1].log.messages)
        root = StorageRoot(root=str(folder))
        root.validate(validate_objects=False, log_warnings=True)
        return list(root.log.messages)
