# SPDX-License-Identifier: Apache-2.0
"""A reference copies no voxel, knows its data by digest, and tells nobody where on this machine it lies."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import threading
from functools import partial

import numpy as np
import pytest
import zarr
from foreign_files import VOXEL_NM, VOXELS, ome_zarr_04, ome_zarr_05, plain_zarr

from sidecrate.digests import read_manifest, sha256_file
from sidecrate.errors import InputError
from sidecrate.science import arrays
from sidecrate.science.references import refer


def test_a_reference_reads_the_voxels_where_they_are(tmp_path):
    ome_zarr_04(tmp_path / "far.zarr")
    image = refer(tmp_path / "far.zarr", tmp_path / "images/far")
    assert np.array_equal(arrays.open_array(image)[2:5, 1:3], VOXELS[2:5, 1:3])
    assert (image.shape, image.voxel_nm) == (VOXELS.shape, VOXEL_NM)
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in image.path.iterdir())


def test_a_reference_holds_the_digest_of_every_file_that_is_read(tmp_path):
    ome_zarr_04(tmp_path / "far.zarr")
    zarr.create_array(tmp_path / "far.zarr/other", data=VOXELS, zarr_format=2)
    seen = []
    image = refer(tmp_path / "far.zarr", tmp_path / "images/far", progress=lambda *step: seen.append(step))
    parts = read_manifest(image.path / "parts-sha256.txt")
    assert parts == {name: sha256_file(tmp_path / "far.zarr" / name) for name in parts}
    chunks = {f"s0/0.0.{z}.{y}.{x}" for z in range(3) for y in range(3) for x in range(4)}
    assert parts.keys() == chunks | {".zattrs", ".zgroup", "s0/.zarray", "s0/.zattrs"}
    assert seen[-1] == (len(parts), len(parts), "files")


def test_data_that_moved_is_the_same_version_and_data_that_changed_is_not(tmp_path):
    ome_zarr_05(tmp_path / "far.zarr")
    first = refer(tmp_path / "far.zarr", tmp_path / "images/far")
    shutil.move(tmp_path / "far.zarr", tmp_path / "moved.zarr")
    with pytest.raises(InputError, match="no longer where it was"):
        arrays.open_array(first)
    assert refer(tmp_path / "moved.zarr", tmp_path / "images/far") == first
    assert np.array_equal(arrays.open_array(first)[...], VOXELS)
    zarr.open_array(tmp_path / "moved.zarr", path="0", mode="r+")[0, 0, 0] = 0
    assert refer(tmp_path / "moved.zarr", tmp_path / "images/far").version == 2


def test_what_cannot_be_referred_to_is_refused(tmp_path):
    with pytest.raises(InputError, match="no readable Zarr at its root"):
        refer(tmp_path, tmp_path / "images/far")
    plain_zarr(tmp_path / "plain.zarr")
    with pytest.raises(InputError, match="does not state its voxel size"):
        refer(tmp_path / "plain.zarr", tmp_path / "images/far")
    zarr.create_array(tmp_path / "float.zarr", data=VOXELS.astype(np.float32))
    with pytest.raises(InputError, match="holds float32"):
        refer(tmp_path / "float.zarr", tmp_path / "images/far", voxel_nm=VOXEL_NM)
    for uri in ("https://me:secret@example.org/a.zarr", "https://example.org/a.zarr?token=secret"):
        with pytest.raises(InputError, match="holds credentials or a query") as caught:
            refer(uri, tmp_path / "images/far")
        assert "secret" not in str(caught.value)


@contextlib.contextmanager
def served(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_remote_reference_holds_its_address_and_the_digests_of_its_metadata(tmp_path):
    ome_zarr_05(tmp_path / "web/far.zarr")
    with served(tmp_path / "web") as address:
        image = refer(f"{address}/far.zarr", tmp_path / "images/far")
        assert np.array_equal(arrays.open_array(image)[...], VOXELS)
        assert refer(f"{address}/far.zarr", tmp_path / "images/far") == image
    assert image.meta["reference"] == {"array": "0", "covers": "metadata documents", "uri": f"{address}/far.zarr"}
    names = ["0/zarr.json", "zarr.json"]
    expected = {name: sha256_file(tmp_path / "web/far.zarr" / name) for name in names}
    assert read_manifest(image.path / "parts-sha256.txt") == expected
