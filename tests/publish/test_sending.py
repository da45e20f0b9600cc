# SPDX-License-Identifier: Apache-2.0
"""One pass gives the bytes, again where a request failed, and the digests of all of it."""

from __future__ import annotations

import hashlib
import os
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecrate.errors import InputError
from sidecrate.publish.memory import Memory, remembered
from sidecrate.publish.parcels import Parcel
from sidecrate.publish.sending import Reading, gathered
from sidecrate.publish.virtual_zip import Member, VirtualZip

MIB = 1 << 20


class Zeros:
    """A file of nothing but zeros that takes no room."""

    def __init__(self, size):
        self.left = size

    def read(self, size=-1):
        size = min(size if size >= 0 else self.left, self.left)
        self.left -= size
        return bytes(size)

    def seekable(self):
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.mark.parametrize("fails_at", [0, 1, 700_000, 1_500_000])
def test_a_piece_that_failed_half_way_is_the_same_the_second_time(fails_at):
    data = os.urandom(3 * MIB)
    told = []
    with Reading(Parcel("x.zip", data), told.append) as reading:
        first = iter(reading.piece(0, 2 * MIB))
        sent = 0
        while sent < fails_at:
            sent += len(next(first))
        assert b"".join(reading.piece(0, 2 * MIB)) == data[: 2 * MIB]
        reading.pass_over(2 * MIB)
        assert b"".join(reading.piece(2 * MIB, 3 * MIB)) == data[2 * MIB :]
        found = reading.digests()
    assert found == {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}  # noqa: S324
    assert sum(told) == len(data)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=400_000), max_size=8))
def test_crumbs_are_gathered_and_nothing_is_lost(blocks):
    found = list(gathered(iter(blocks)))
    assert b"".join(found) == b"".join(blocks)
    assert len(found) <= 1 + 2 * sum(len(block) for block in blocks) // (MIB // 4)


def test_memory_is_bounded_whatever_the_size():
    size = 300 * MIB
    digest = hashlib.sha256()
    for _ in range(300):
        digest.update(bytes(MIB))
    parcel = Parcel("x.zip", VirtualZip([Member("zeros", size, digest.hexdigest(), lambda: Zeros(size))]))
    tracemalloc.start()
    with Reading(parcel) as reading:
        for _ in reading.piece(0, parcel.size):
            pass
        reading.digests()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * MIB


def test_a_source_that_is_damaged_stops_the_sending():
    parcel = Parcel("x.zip", VirtualZip([Member("zeros", 10, "0" * 64, lambda: Zeros(10))]))
    with Reading(parcel) as reading, pytest.raises(InputError, match="zeros: its bytes"):
        reading.digests()


def test_what_is_remembered_survives_and_an_unreadable_memory_is_none(tmp_path):
    with remembered(tmp_path / "m", "server", "project") as memory:
        memory.set(record="a", creating=True)
        memory.set(creating=None)
        memory.set_file("x.zip", {"md5": "1"})
    with remembered(tmp_path / "m", "server", "project") as memory:
        assert (memory.get("record"), memory.get("creating"), memory.file("x.zip")) == ("a", None, {"md5": "1"})
        memory.set_file("x.zip", None)
        assert memory.file("x.zip") == {}
    with remembered(tmp_path / "m", "server", "other") as memory:
        assert memory.get("record") is None
    (tmp_path / "broken.json").write_bytes(b'{"record": ')
    assert Memory(tmp_path / "broken.json").get("record") is None
