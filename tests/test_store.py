# SPDX-License-Identifier: Apache-2.0
"""A version is whole or not there, its digest depends on its bytes only, and anyone can check it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecrate import store
from sidecrate.artifacts import Files, Image
from sidecrate.digests import files_below, manifest_bytes, read_manifest, sha256_file, write_atomic
from sidecrate.errors import InputError, RecordError

# every name a file can have, but for the backslash, which BagIt and Windows readers take for a folder
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0"), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..")
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)


def make(series: Path, files: dict[str, bytes], meta=None):
    with store.draft(Files, series) as draft:
        for name, data in files.items():
            draft.write(name, data)
        return draft.finish(meta or {})


@pytest.fixture
def version(tmp_path):
    return make(tmp_path / "files" / "table", {"a.csv": b"1,2\n", "sub/b.csv": b"3,4\n"}, {"title": "two tables"})


# ------------------------------------------------------------------------------------------- manifests


@given(digests=st.dictionaries(PATHS, HEX, min_size=1, max_size=5))
def test_a_manifest_gives_back_every_name_however_odd(digests):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest-sha256.txt"
        path.write_bytes(manifest_bytes(digests))
        assert read_manifest(path) == digests


@given(files=st.dictionaries(NAMES, st.binary(max_size=20), min_size=1, max_size=4), order=st.randoms())
@settings(max_examples=15, deadline=None)
def test_the_digest_is_the_same_whatever_the_order_of_writing(files, order):
    shuffled = list(files.items())
    order.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as folder:
        one = make(Path(folder) / "one", files)
        other = make(Path(folder) / "other", dict(shuffled))
        assert one.digest == other.digest
        assert store.open_version(other.path).digest == one.digest


def test_sha256sum_accepts_the_manifest_and_notices_a_changed_byte(version):
    check = ["sha256sum", "--check", "--strict", "--quiet", "manifest-sha256.txt"]
    assert subprocess.run(check, cwd=version.path).returncode == 0
    (version.path / "a.csv").chmod(0o644)
    (version.path / "a.csv").write_bytes(b"1,3\n")
    assert subprocess.run(check, cwd=version.path, capture_output=True).returncode == 1


@pytest.mark.parametrize(
    "line", ["", "no digest", "0" * 63 + "  a", "0" * 64 + " a", "0" * 64 + "  ../a", "0" * 64 + "  /etc/passwd"]
)
def test_a_broken_manifest_line_is_named(version, line):
    manifest = version.path / "manifest-sha256.txt"
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes() + f"{line}\n".encode())
    with pytest.raises(RecordError, match="line 4 is broken"):
        store.open_version(version.path)


@pytest.mark.parametrize("name", ["", ".", "..", "/a", "../a", "a/../../b", "a//b", "./a", "a\\b", "a\0b", "\udcff"])
def test_names_that_leave_the_folder_or_cannot_be_written_down_are_refused(tmp_path, name):
    with store.draft(Files, tmp_path / "x") as draft, pytest.raises(InputError, match="not a usable file name"):
        draft.write(name, b"")


# --------------------------------------------------------------------------------------- reading versions


def test_a_version_reads_back_as_what_was_written(version):
    assert store.versions(version.path.parent) == [version]
    assert (version.ref, version.place) == ("table@v1", "files/table/v1")
    assert version.meta == {"title": "two tables", "kind": "Files"}
    assert list(store.verify(version)) == []


def test_verify_tells_all_that_is_wrong(version):
    (version.path / "a.csv").unlink()
    (version.path / "sub/b.csv").chmod(0o644)
    (version.path / "sub/b.csv").write_bytes(b"3,5\n")
    (version.path / "extra").touch()
    assert [(f.code, f.where) for f in store.verify(version)] == [
        ("fixity.missing", "files/table/v1/a.csv"),
        ("fixity.extra", "files/table/v1/extra"),
        ("fixity.digest", "files/table/v1/sub/b.csv"),
    ]


def test_what_is_not_a_version_is_refused(version):
    with pytest.raises(InputError, match="not a version folder"):
        store.open_version(version.path.parent)
    (version.path.parent / "v2").mkdir()
    with pytest.raises(InputError, match=r"no artifact\.json"):
        store.open_version(version.path.parent / "v2")
    (version.path.parent / "v2/artifact.json").write_text('{"kind": "Nonsense"}')
    with pytest.raises(InputError, match="no known kind"):
        store.open_version(version.path.parent / "v2")


# --------------------------------------------------------------------------------------- writing versions


def test_files_of_a_version_are_read_only_and_no_draft_is_left(version):
    modes = {path.stat().st_mode & 0o777 for path in version.path.rglob("*") if path.is_file()}
    assert modes == {0o444}
    assert list((version.path.parent / ".drafts").iterdir()) == []


def test_an_exception_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), store.draft(Files, tmp_path / "x") as draft:
        draft.write("a", b"half")
        raise ZeroDivisionError
    assert store.versions(tmp_path / "x") == []
    assert list((tmp_path / "x/.drafts").iterdir()) == []


def test_two_drafts_at_once_become_two_versions(tmp_path):
    with store.draft(Files, tmp_path / "x") as one, store.draft(Files, tmp_path / "x") as two:
        one.write("a", b"1")
        two.write("a", b"2")
        assert [two.finish({}).version, one.finish({}).version] == [1, 2]


def test_a_file_nobody_hashed_or_that_vanished_stops_the_version(tmp_path):
    with store.draft(Files, tmp_path / "x") as draft:
        (draft.path / "smuggled").touch()
        with pytest.raises(RecordError, match="smuggled"):
            draft.finish({})
        draft.adopt("smuggled")
        (draft.path / "smuggled").unlink()
        with pytest.raises(RecordError, match="smuggled"):
            draft.finish({})
    assert store.versions(tmp_path / "x") == []


def test_a_name_must_be_plain(tmp_path):
    with pytest.raises(InputError, match="1-64 of"), store.draft(Files, tmp_path / "No Spaces"):
        pass


def test_shared_files_are_hard_links_and_rewriting_one_leaves_the_old_version_alone(version):
    with store.draft(Files, version.path.parent) as draft:
        draft.share(version, ["a.csv", "sub/b.csv"])
        draft.write("sub/b.csv", b"new\n")
        new = draft.finish({})
    assert (new.path / "a.csv").stat().st_ino == (version.path / "a.csv").stat().st_ino
    assert (new.path / "sub/b.csv").read_bytes() == b"new\n"
    assert list(store.verify(version)) == list(store.verify(new)) == []


def test_sharing_copies_where_links_do_not_work(version, monkeypatch):
    def refuse(*args):
        raise OSError

    monkeypatch.setattr(os, "link", refuse)
    with store.draft(Files, version.path.parent) as draft:
        draft.share(version, ["a.csv"])
        new = draft.finish({})
    assert (new.path / "a.csv").stat().st_ino != (version.path / "a.csv").stat().st_ino
    assert list(store.verify(new)) == []


# ----------------------------------------------------------------------------------------- interruptions

KILLED = """
import os, signal, sys
from pathlib import Path
from sidecrate import store
from sidecrate.artifacts import Files
with store.draft(Files, Path(sys.argv[1]), key=sys.argv[2] or None) as draft:
    draft.write("whole", b"whole")
    draft.write("rewritten", b"first")
    file = draft.open("rewritten")
    file.write(b"sec")
    draft.file("torn").write_bytes(b"torn")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_writing(series: Path, key: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(series), key])
    assert done.returncode == -signal.SIGKILL
    assert store.versions(series) == []


def test_a_killed_draft_goes_on_with_its_whole_files_only(tmp_path):
    killed_while_writing(tmp_path / "x", "key")
    with store.draft(Files, tmp_path / "x", key="key") as draft:
        assert set(draft.digests) == {"whole"}
        assert list(files_below(draft.path)) == ["whole"]
        again = draft.finish({})
    assert again.digest == make(tmp_path / "y", {"whole": b"whole"}).digest


def test_a_ledger_line_cut_short_is_not_believed(tmp_path):
    killed_while_writing(tmp_path / "x", "key")
    ledger = tmp_path / "x/.drafts/resume-key/ledger"
    ledger.write_bytes(ledger.read_bytes() + b"0" * 64 + b"  whole")
    with store.draft(Files, tmp_path / "x", key="key") as draft:
        assert draft.digests["whole"] == sha256_file(draft.path / "whole")


def test_a_killed_draft_without_a_key_is_swept_when_it_is_old(tmp_path):
    killed_while_writing(tmp_path / "x", "")
    (left,) = (tmp_path / "x/.drafts").iterdir()
    store.sweep(tmp_path / "x")
    assert left.exists()
    hour_ago = time.time() - 3600
    os.utime(left / "lock", (hour_ago, hour_ago))
    store.sweep(tmp_path / "x")
    assert not left.exists()


def test_one_draft_cannot_be_written_by_two(tmp_path):
    with (
        store.draft(Files, tmp_path / "x", key="key"),
        pytest.raises(InputError, match="another process"),
        store.draft(Files, tmp_path / "x", key="key"),
    ):
        pass


def test_write_atomic_keeps_the_old_bytes_when_it_fails(tmp_path):
    target = tmp_path / "file"
    write_atomic(target, b"old")
    with pytest.raises(TypeError):
        write_atomic(target, "not bytes")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


# --------------------------------------------------------------------------------------------- locations


def test_a_location_is_kept_beside_the_version_and_missing_data_is_told(tmp_path):
    with store.draft(Image, tmp_path / "images" / "far") as draft:
        far = draft.finish({})
    with pytest.raises(InputError, match="not known on this machine"):
        store.location(far)
    data = tmp_path / "data"
    data.mkdir()
    store.set_location(far, data)
    assert store.location(far) == data
    assert list(store.verify(far)) == []
    data.rmdir()
    with pytest.raises(InputError, match="no longer where it was"):
        store.location(far)
