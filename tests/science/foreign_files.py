# SPDX-License-Identifier: Apache-2.0
"""One small volume written in every format that is read, with its voxel size where the format can state it."""

import h5py
import mrcfile
import numpy as np
import tifffile
import zarr

VOXEL_NM = (30.0, 4.0, 4.0)
VOXELS = np.random.default_rng(0).integers(0, 256, (12, 40, 50), dtype=np.uint8)


def imagej(path, voxels=VOXELS):
    metadata = {"axes": "ZYX", "spacing": 0.03, "unit": "um"}
    tifffile.imwrite(path, voxels, imagej=True, resolution=(250, 250), metadata=metadata)


def ome_tiff(path, voxels=VOXELS):
    sizes = {"PhysicalSizeZ": 0.03, "PhysicalSizeY": 4, "PhysicalSizeYUnit": "nm", "PhysicalSizeX": 0.004}
    tifffile.imwrite(path, voxels, metadata={"axes": "ZYX", **sizes})


def slices(path, voxels=VOXELS):
    path.mkdir()
    for z, plane in enumerate(voxels):
        tifffile.imwrite(path / f"slice{z}.TIF", plane)  # slice10 sorts before slice2 as text
    (path / "notes.txt").write_text("not a slice")
    (path / "._slice0.tif").write_text("left by a Mac")


def npz(path, voxels=VOXELS):
    np.savez_compressed(path, raw=voxels, labels=voxels > 9)


def hdf5(path, voxels=VOXELS):
    with h5py.File(path, "w") as file:
        file["volumes/raw"] = voxels
        file["volumes/labels"] = voxels
        file["volumes/raw"].attrs["element_size_um"] = (0.03, 0.004, 0.004)


def mrc(path, voxels=VOXELS):
    with mrcfile.new(path) as file:
        file.set_data(voxels.astype(np.uint16))
        file.voxel_size = (40, 40, 300)  # x, y, z in ångström


def ome_zarr_04(path, voxels=VOXELS):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("s0", data=voxels[None, None], chunks=(1, 1, 5, 16, 16))
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    level = {"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 0.03, 0.002, 0.002]}]}
    whole = [{"type": "scale", "scale": [1, 1, 1, 2, 2]}]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": [level], "coordinateTransformations": whole}
    ]


def ome_zarr_05(path, voxels=VOXELS):
    group = zarr.open_group(path, mode="w")
    group.create_array("0", data=voxels, chunks=(5, 16, 16))
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [30, 4, 4]}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [level]}]}


def plain_zarr(path, voxels=VOXELS):
    zarr.create_array(path, data=voxels, zarr_format=2)
