# SPDX-License-Identifier: Apache-2.0
"""Nothing a package holds can reach outside of it, and what is refused is named."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile

import pytest

from sidecrate.errors import InputError
from sidecrate.publish.archive import CheckedReader
from sidecrate.publish.package import open_package
from sidecrate.publish.trees import FolderTree, SubTree, TarTree, ZipTree, digests, open_tree, read_file


def tar(path, *members):
    with tarfile.open(path, "w") as archive:
        for member, data in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def codes(tree):
    return [finding.code for finding in tree.problems]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "a\\..\\evil", "C:/evil"])
def test_a_path_that_leads_out_is_never_a_member(tmp_path, name):
    archive = tar(tmp_path / "a.tar", (name, b"x"), ("good", b"y"))
    assert codes(TarTree(archive)) == ["path.unsafe"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as writer:
        writer.writestr(name, b"x")
        writer.writestr("good", b"y")
    for tree in (TarTree(archive), ZipTree(tmp_path / "a.zip")):
        assert codes(tree) == ["path.unsafe"]
        assert list(tree.sizes) == ["good"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    tree = TarTree(tar(tmp_path / "a.tar", (special("link", kind, "/etc/passwd"), b"")))
    assert codes(tree) == ["path.special"]
    assert not tree.sizes


def test_a_link_in_a_zip_or_folder_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as writer:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        writer.writestr(link, "/etc/passwd")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "folder/pipe")
    assert codes(ZipTree(tmp_path / "a.zip")) == ["path.special"]
    assert codes(FolderTree(tmp_path / "folder")) == ["path.special"] * 2


def test_names_that_collide_are_refused(tmp_path):
    tree = TarTree(tar(tmp_path / "a.tar", ("Pore", b""), ("pore", b""), ("x", b""), ("./x", b""), ("x/y", b"")))
    assert sorted(codes(tree)) == ["path.collision", "path.duplicate", "path.duplicate"]


def test_a_zip_that_promises_too_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("zeros", bytes(1 << 20))
        writer.infolist()[0].file_size = 1 << 40
    assert codes(ZipTree(tmp_path / "a.zip")) == ["archive.bomb"]


@pytest.mark.parametrize(("at", "value"), [(8, 0x40), (8, 0x20), (10, 99)])
def test_a_zip_member_that_python_cannot_unpack_is_refused(tmp_path, at, value):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as writer:
        writer.writestr("a", b"x")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + at] = value
    (tmp_path / "a.zip").write_bytes(data)
    assert codes(ZipTree(tmp_path / "a.zip")) == ["path.special"]


def test_a_cut_archive_is_an_input_error(tmp_path):
    whole = tar(tmp_path / "a.tar", ("a", b"x" * 100_000)).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:50_000])
    with pytest.raises(InputError, match=r"a\.tar"):
        open_tree(tmp_path / "a.tar")
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(InputError, match=r"b\.zip"):
        open_tree(tmp_path / "b.zip")
    with pytest.raises(InputError, match=r"nothing\.tar"):
        open_tree(tmp_path / "nothing.tar")


def test_a_hostile_archive_is_not_opened_as_a_package(tmp_path):
    archive = tar(
        tmp_path / "a.tar",
        ("bag/bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"),
        ("../e", b""),
    )
    with pytest.raises(InputError, match="leads out"):
        open_package(archive)


def test_a_window_into_a_tar_is_the_file(tmp_path):
    parts = [(f"f{number}", os.urandom(size)) for number, size in enumerate((0, 1, 511, 512, 513, 3_000_000))]
    tree = TarTree(tar(tmp_path / "a.tar", *parts))
    assert {name: read_file(tree, name) for name in tree.sizes} == dict(parts)
    part = SubTree(TarTree(tar(tmp_path / "b.tar", ("top/a", b"1"), ("other", b"2"))), "top")
    assert {name: read_file(part, name) for name in part.sizes} == {"a": b"1"}


def test_a_damaged_zip_member_is_a_finding_of_the_digests(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as writer:
        writer.writestr("a", b"The quick brown fox")
    data = (tmp_path / "a.zip").read_bytes().replace(b"quick", b"quack")
    (tmp_path / "a.zip").write_bytes(data)
    found, problems = digests(ZipTree(tmp_path / "a.zip"), {"a": ["sha256"]})
    assert found == {}
    assert [finding.code for finding in problems] == ["fixity.unreadable"]


def test_a_forbidden_string_is_found_across_the_border_of_two_reads():
    reader = CheckedReader(io.BytesIO(b"aaaaSECRETbbbb"), "file", [b"SECRET"])
    reader.read(7)
    with pytest.raises(InputError, match="secret"):
        reader.read(7)
