# SPDX-License-Identifier: Apache-2.0
"""The bag reader is as strict as RFC 8493, also where bagit-python is not."""

from __future__ import annotations

import hashlib

import bagit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publish.conftest import MemoryTree
from sidecrate.digests import is_inside
from sidecrate.publish import bag
from sidecrate.publish.bag import check_bag, read_bag
from sidecrate.publish.trees import FolderTree

PAYLOAD = {"data/a.txt": b"one", "data/b/c.txt": b"two"}


def manifest(files, algorithm="sha256"):
    return bag.manifest_bytes({name: hashlib.new(algorithm, data).hexdigest() for name, data in files.items()})


def write(folder, payload=PAYLOAD, **tags):
    """Write a bag; `tags` replaces or adds tag files, after which the tag manifest is made."""
    files = {"bagit.txt": bag.declaration_bytes(), "manifest-sha256.txt": manifest(payload)}
    files |= {name.replace("__", ".").replace("_", "-"): data for name, data in tags.items()}
    files["tagmanifest-sha256.txt"] = files.get("tagmanifest-sha256.txt") or manifest(files)
    for name, data in {**payload, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def judge(folder):
    tree = FolderTree(folder)
    return [(finding.code, finding.where) for finding in check_bag(tree, read_bag(tree))[0]]


def test_a_good_bag_has_no_finding_and_bagit_python_agrees(tmp_path):
    payload = {**PAYLOAD, "data/a line\nbreak\r%.txt": b"", "data/Núñez .txt": b"x"}
    assert judge(write(tmp_path / "mine", payload)) == []
    assert bagit.Bag(str(write(tmp_path / "plain"))).is_valid()


@given(st.dictionaries(st.text(min_size=1, max_size=12).filter(is_inside), st.binary(max_size=8), min_size=1))
def test_any_name_that_a_file_can_have_survives_the_manifest(contents):
    payload = {f"data/{name}": data for name, data in contents.items()}
    tree = MemoryTree({**payload, "bagit.txt": bag.declaration_bytes(), "manifest-sha256.txt": manifest(payload)})
    read = read_bag(tree)
    assert read.manifests["sha256"].keys() == payload.keys()
    assert check_bag(tree, read)[0] == []


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"bagit__txt": b"BagIt-Version : 1.0\nTag-File-Character-Encoding: UTF-8\n"}, "bagit.declaration"),
        ({"bagit__txt": b"\xef\xbb\xbfBagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"}, "bagit.declaration"),
        ({"bagit__txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\nmore: x\n"}, "bagit.declaration"),
        ({"bagit__txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: no-such\n"}, "bagit.declaration"),
        ({"bagit__txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: rot13\n"}, "bagit.declaration"),
        ({"bagit__txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: undefined\n"}, "bagit.declaration"),
        ({"manifest_sha512__txt": manifest({"data/a.txt": b"one"}, "sha512")}, "bagit.unlisted"),
        ({"bag_info__txt": b"Payload-Oxum: 6.2\nPayload-Oxum: 6.2\n"}, "bagit.info"),
        ({"bag_info__txt": b"Payload-Oxum: 6.3\n"}, "bagit.oxum"),
        ({"fetch__txt": b"http://example.org/x 3 data/x.txt\n"}, "bagit.unlisted"),
        ({"fetch__txt": b"http://example.org/x 3 bag-info.txt\n"}, "bagit.fetch"),
        ({"fetch__txt": b"http://example.org/x 3 data/../../x\n"}, "bagit.fetch"),
        ({"manifest_sha256__txt": manifest({**PAYLOAD, "data/../../x": b""})}, "bagit.manifest"),
        ({"manifest_sha256__txt": manifest({**PAYLOAD, "bagit.txt": b""})}, "bagit.manifest"),
        ({"manifest_sha256__txt": manifest(PAYLOAD) * 2}, "bagit.duplicate"),
        ({"manifest_sha256__txt": manifest(PAYLOAD) + b"zz  data/a.txt\n"}, "bagit.manifest"),
        ({"manifest_sha256__txt": manifest({**PAYLOAD, "data/gone": b""})}, "bagit.missing"),
        ({"manifest_foo__txt": b""}, "bagit.algorithm"),
    ],
)
def test_each_break_of_the_rfc_is_found(tmp_path, tags, code):
    assert code in {found for found, _ in judge(write(tmp_path / "bag", **tags))}


def test_a_changed_missing_or_extra_file_is_named(tmp_path):
    folder = write(tmp_path / "bag")
    (folder / "data/a.txt").write_bytes(b"One")
    (folder / "data/b/c.txt").unlink()
    (folder / "data/new.txt").write_bytes(b"")
    expected = {("fixity.digest", "data/a.txt"), ("bagit.missing", "data/b/c.txt"), ("bagit.unlisted", "data/new.txt")}
    assert expected <= set(judge(folder))


def test_a_changed_tag_file_and_a_tag_manifest_that_forgets_a_manifest_are_found(tmp_path):
    folder = write(tmp_path / "bag", bag_info__txt=b"Contact-Name: A\n")
    (folder / "bag-info.txt").write_bytes(b"Contact-Name: B\n")
    assert judge(folder) == [("fixity.digest", "bag-info.txt")]
    (folder / "tagmanifest-sha256.txt").write_bytes(manifest({"bagit.txt": bag.declaration_bytes()}))
    assert judge(folder) == [("bagit.unlisted", "manifest-sha256.txt")]


def test_labels_are_read_with_folded_lines_whatever_their_case(tmp_path):
    read = read_bag(
        FolderTree(write(tmp_path / "bag", bag_info__txt=b"External-Description: one\r\n  two\r\nX: 1\r\n"))
    )
    assert read.value("external-description") == "one two"
    assert read.info[-1] == ("X", "1")


def test_a_bag_of_a_draft_before_the_rfc_is_judged_by_that_draft(tmp_path):
    old = b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"
    part = manifest({"data/b/c.txt": b"two"}, "md5")
    first = manifest({"data/a.txt": b"one"})
    folder = write(tmp_path / "bag", bagit__txt=old, manifest_sha256__txt=first, manifest_md5__txt=part)
    assert judge(folder) == []
