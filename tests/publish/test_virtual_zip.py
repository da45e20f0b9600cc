# SPDX-License-Identifier: Apache-2.0
"""The archive that is never written is a zip to everybody who reads it, whatever its members."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecrate.errors import InputError
from sidecrate.publish.virtual_zip import Member, VirtualZip

GIB = 1 << 30
NAMES = st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
FILES = st.dictionaries(NAMES.filter(lambda name: name not in (".", "..")), st.binary(max_size=300), max_size=8)


def member(name, data, opened=None):
    def open_():
        if opened is not None:
            opened.append(name)
        return io.BytesIO(data)

    return Member(name, len(data), hashlib.sha256(data).hexdigest(), open_)


def archive(files, opened=None):
    return VirtualZip([member(name, data, opened) for name, data in files.items()])


@settings(max_examples=60, deadline=None)
@given(FILES)
def test_python_reads_back_what_went_in_and_the_size_was_known_before(files):
    found = archive(files)
    data = b"".join(found.blocks())
    assert len(data) == found.size
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        assert read.testzip() is None
        assert {name: read.read(name) for name in read.namelist()} == files


@settings(max_examples=60, deadline=None)
@given(FILES, st.integers(0, 4000), st.integers(0, 4000))
def test_any_piece_is_the_same_read_alone(files, start, length):
    whole = b"".join(archive(files).blocks())
    assert b"".join(archive(files).blocks(start, start + length)) == whole[start : start + length]


def test_a_later_piece_reads_no_member_again():
    opened = []
    found = archive({"a": b"1" * 100, "b": b"2" * 100}, opened)
    whole = b"".join(found.blocks())
    assert b"".join(found.blocks(len(whole) - 60)) == whole[-60:]
    assert opened == ["a", "b"]


@pytest.mark.skipif(shutil.which("unzip") is None, reason="no unzip here")
def test_unzip_accepts_it(tmp_path):
    files = {"data/a b/é.txt": b"x" * 5000, "empty": b"", "bagit.txt": b"BagIt"}
    (tmp_path / "x.zip").write_bytes(b"".join(archive(files).blocks()))
    subprocess.run(["unzip", "-qt", "x.zip"], cwd=tmp_path, check=True)
    subprocess.run(["unzip", "-q", "x.zip"], cwd=tmp_path, check=True, env={"LC_ALL": "C.UTF-8"})
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


@pytest.mark.parametrize("sizes", [[5 * GIB], [3 * GIB, 2 * GIB, 10], [GIB] * 5])
def test_beyond_four_gibibytes_sizes_and_places_are_right(sizes, tmp_path):
    """The data are a hole in a file: only headers, descriptors and the directory are made."""
    members = [Member(f"m{number}", size, "0" * 64, io.BytesIO) for number, size in enumerate(sizes)]
    found = VirtualZip(members)
    found._crcs.update(dict.fromkeys(range(len(sizes)), 0))
    with (tmp_path / "large.zip").open("wb") as file:
        for start in found._starts[:-1]:
            file.seek(start)
            file.write(b"".join(found.blocks(start, start + 30)))
        file.seek(found._starts[-1])
        file.write(b"".join(found.blocks(found._starts[-1])))
    assert (tmp_path / "large.zip").stat().st_size == found.size
    with zipfile.ZipFile(tmp_path / "large.zip") as read:
        assert [(info.file_size, info.header_offset) for info in read.infolist()] == list(
            zip(sizes, found._starts, strict=False)
        )
    (tmp_path / "large.zip").unlink()


def test_more_members_than_a_plain_zip_can_count():
    found = archive({f"{number}": b"" for number in range(66_000)})
    with zipfile.ZipFile(io.BytesIO(b"".join(found.blocks()))) as read:
        assert len(read.namelist()) == 66_000


@pytest.mark.parametrize("held", [b"12345", b"123", b"123456789"])
def test_a_member_that_is_not_what_it_should_be_stops_it(held):
    wrong = Member("x", 4, hashlib.sha256(b"1234").hexdigest(), lambda: io.BytesIO(held))
    if held == b"123":
        with pytest.raises(InputError, match="x: is shorter"):
            list(VirtualZip([wrong]).blocks())
        return
    other = Member("x", 4, hashlib.sha256(b"abcd").hexdigest(), lambda: io.BytesIO(held))
    with pytest.raises(InputError, match="x: its bytes are not"):
        list(VirtualZip([other]).blocks())
