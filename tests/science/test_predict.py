# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch
import volumes
from lessons import Lesson

from sidecrate.artifacts import Prediction
from sidecrate.errors import InputError
from sidecrate.science import inference
from sidecrate.science.arrays import open_array
from sidecrate.science.devices import Engine
from sidecrate.science.inference import Predictor, tile_shape
from sidecrate.science.predict import predict
from sidecrate.science.sampling import Normalisation
from sidecrate.science.unet import Plan, UNet
from sidecrate.store import verify

ODD = (27, 50, 41)
ISOTROPIC, COARSE_Z = (16, 16, 16), (50, 10, 10)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _net(voxel_nm, widths=(16, 32), seed=0):
    """A net with random weights and logits wide enough that every uint8 occurs."""
    torch.manual_seed(seed)
    net = UNet(Plan.for_voxels(voxel_nm, widths), 3).eval()
    with torch.no_grad():
        net.head.weight *= 60
    return net


def _predictor(net, image):
    return Predictor(net, Normalisation(128, 50), image, Engine.pick("cpu"))


def _grey(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def _in_boxes(predictor, shape, edge):
    out = np.zeros((3, *shape), np.uint8)
    for start in product(*(range(0, size, step) for size, step in zip(shape, edge, strict=True))):
        stop = np.minimum(np.add(start, edge), shape)
        z, y, x = (slice(low, high) for low, high in zip(start, stop, strict=True))
        out[:, z, y, x] = predictor.box((start, tuple(int(n) for n in stop)))
    return out


@pytest.mark.parametrize("voxel_nm", [ISOTROPIC, COARSE_Z])
def test_the_same_bytes_come_out_whatever_boxes_are_asked_for(voxel_nm):
    image = _grey(ODD)
    predictor = _predictor(_net(voxel_nm), image)
    whole = predictor.box(((0, 0, 0), ODD))
    assert whole.std() > 20
    for edge in [(27, 25, 41), (13, 50, 20), (20, 17, 41)]:
        np.testing.assert_array_equal(_in_boxes(predictor, ODD, edge), whole)


@pytest.mark.parametrize("voxel_nm", [ISOTROPIC, COARSE_Z])
@pytest.mark.parametrize("longest", [16, 24])
def test_tiles_change_nothing_but_the_last_rounding(voxel_nm, longest, monkeypatch):
    image, net = _grey(ODD), _net(voxel_nm)
    whole = _predictor(net, image).box(((0, 0, 0), ODD))
    monkeypatch.setattr(inference, "_TILE", longest)
    tiled = _predictor(net, image)
    assert max(tile_shape(net.plan, ODD)) <= longest
    difference = np.abs(tiled.box(((0, 0, 0), ODD)).astype(int) - whole)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_the_volume_is_seen_mirrored_beyond_its_faces():
    image = _grey(ODD)
    net = _net(ISOTROPIC, (4, 8))
    pad = 8 * max(net.plan.stride)
    padded = np.pad(image, pad, mode="symmetric")
    alone = _predictor(net, image).box(((0, 0, 0), ODD))
    within = ((pad,) * 3, tuple(size + pad for size in ODD))
    inside = _predictor(net, padded).box(within)
    assert np.abs(alone.astype(int) - inside).max() <= 1


def test_probabilities_are_those_of_the_net():
    image, net = _grey((20, 20, 20)), _net(ISOTROPIC, (4, 8))
    grey = (np.pad(image, 8, mode="symmetric").astype(np.float32) - 128) / 50
    with torch.no_grad():
        expected = torch.softmax(net(torch.from_numpy(grey)[None, None])[0], 0).numpy() * 255
    found = _predictor(net, image).box(((0, 0, 0), image.shape))
    assert np.abs(found - expected).max() < 0.51


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 300, 2), (40, 300, 130), (600, 64, 257)])
def test_tiles_fit_the_stride_and_shards_of_256(shape):
    plan = Plan.for_voxels(COARSE_Z, (4, 8, 16, 32))
    for size, tile, stride in zip(shape, tile_shape(plan, shape), plan.stride, strict=True):
        assert tile % stride == 0
        assert tile <= 128 + stride
        assert size <= 256 or 256 % tile == 0


# ------------------------------------------------------------------------------------------------- the step


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    return Lesson.make(tmp_path_factory.mktemp("lesson"))


@pytest.fixture(scope="module")
def model(lesson):
    return lesson.train(iterations=150, learning_rate=1e-2, widths=(4, 8))


def test_a_prediction_finds_what_was_taught(lesson, model, tmp_path):
    seen = []
    made = predict(lesson.image, model, tmp_path / "net", progress=lambda *report: seen.append(report))
    found = open_array(made)[1, :, :, :] > 127
    blob = lesson.truth == 2
    assert 2 * (found & blob).sum() / (found.sum() + blob.sum()) > 0.8
    assert not list(verify(made))
    assert seen[-1] == (lesson.truth.size, lesson.truth.size, "voxels")
    assert made.classes == ["background", "blob"]
    assert made.meta["model"]["digest"] == model.digest
    assert made.meta["computed"] == {"device": "cpu", "dtype": Engine.pick("cpu").description["dtype"]}


def test_probabilities_add_up(lesson, model, tmp_path):
    made = predict(lesson.image, model, tmp_path / "net")
    assert np.abs(open_array(made)[:, :, :, :].astype(int).sum(axis=0) - 255).max() <= 1


def test_the_coverage_says_what_of_this_image_was_labelled(lesson, model, tmp_path):
    own = predict(lesson.image, model, tmp_path / "own").meta["coverage"]
    assert own["labelled_share"] == pytest.approx(2 / 28, abs=1e-6)
    assert 0 < own["nearest_label_nm"]["median"] <= own["nearest_label_nm"]["largest"]
    other = volumes.save_image(tmp_path, lesson.truth[:4], name="other")
    assert predict(other, model, tmp_path / "net").meta["coverage"]["labelled_share"] == 0


def test_another_voxel_size_is_refused(lesson, model, tmp_path):
    coarse = volumes.save_image(tmp_path, lesson.truth, voxel_nm=(16, 16, 16))
    with pytest.raises(InputError, match=r"trained at \[8.0, 8.0, 8.0\] nm"):
        predict(coarse, model, tmp_path / "net")


def test_a_damaged_image_is_an_input_error_and_leaves_no_version(lesson, model, tmp_path):
    image = volumes.save_image(tmp_path, _grey((20, 30, 40)), name="damaged")
    shard = next(path for path in image.array_path.rglob("*") if path.name == "0" and path.is_file())
    shard.chmod(0o644)
    shard.write_bytes(shard.read_bytes()[:-200] + bytes(200))
    with pytest.raises(InputError, match="damaged@v1"):
        predict(image, model, tmp_path / "net")
    assert not (tmp_path / "net/v1").exists()


def test_a_killed_prediction_goes_on_after_its_finished_shards(lesson, model, tmp_path):
    image = volumes.save_image(tmp_path, _grey((6, 6, 700)), name="long")
    script = f"""
import sys, time; from pathlib import Path
from sidecrate.science.predict import predict; from sidecrate.store import open_version
def report(done, total, unit):
    print(done, flush=True); time.sleep(60)
predict(open_version(Path({str(image.path)!r})), open_version(Path({str(model.path)!r})),
        Path({str(tmp_path / "killed")!r}), progress=report)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert int(process.stdout.readline()) == 6 * 6 * 256
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed/v1").exists()
    finished = sorted((tmp_path / "killed").rglob("0/c/*/0/0/0"))
    assert len(finished) == 2
    before = [path.stat().st_mtime_ns for path in finished]
    resumed = predict(image, model, tmp_path / "killed")
    assert resumed.digest == predict(image, model, tmp_path / "unkilled").digest
    after = [(resumed.array_path / path.relative_to(path.parents[5])).stat().st_mtime_ns for path in finished]
    assert before == after
    assert isinstance(resumed, Prediction)
