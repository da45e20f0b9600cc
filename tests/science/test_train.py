# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import volumes
from lessons import Lesson
from safetensors.torch import load_file, save

from sidecrate.artifacts import Model
from sidecrate.errors import InputError
from sidecrate.science import models
from sidecrate.science.devices import Engine
from sidecrate.science.fit import Schedule, fit, loss_of
from sidecrate.science.sampling import Batch
from sidecrate.science.unet import Plan, UNet
from sidecrate.store import draft, verify


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def lesson(tmp_path):
    return Lesson.make(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model to read; nobody writes to it."""
    return Lesson.make(tmp_path_factory.mktemp("model")).train()


def described(model):
    return json.loads((model.path / "model.json").read_text())


def test_training_lowers_the_loss_and_leaves_a_whole_version(lesson):
    model = lesson.train(iterations=120, learning_rate=1e-2)
    curve = [point["training_loss"] for point in described(model)["training"]["curve"]]
    assert np.mean(curve[-3:]) < 0.7 * curve[0]
    assert not list(verify(model))
    files = {path.name for path in model.path.iterdir()}
    wanted = {"weights.safetensors", "model.json", "README.md", "curve.svg"}
    assert files == wanted | {"artifact.json", "manifest-sha256.txt"}
    card = (model.path / "README.md").read_text()
    assert "truth@v1" in card
    assert "blob" in card


def test_the_same_call_gives_the_same_bytes_and_another_seed_does_not(lesson):
    labels = lesson.labels()
    first, again, other = lesson.train(labels), lesson.train(labels), lesson.train(labels, seed=1)
    assert first.digest == again.digest
    assert first.digest != other.digest
    assert (first.version, again.version, other.version) == (1, 2, 3)


def test_unlabelled_voxels_weigh_nothing():
    torch.manual_seed(0)
    net = UNet(Plan.for_voxels((1, 1, 1), (2, 4)), 2).eval()
    grey = np.random.default_rng(0).standard_normal((1, *net.plan.input_shape((4, 4, 4)))).astype(np.float32)
    shape = net.plan.output_shape(grey.shape[1:])
    some = np.zeros((1, *shape), np.uint8)
    some[0, 0] = 2
    engine = Engine.pick("cpu")
    loss = loss_of(net, Batch(grey, some), torch.ones(2), engine)
    only = net(torch.from_numpy(grey)[None])[:, :, :1]
    expected = torch.nn.functional.cross_entropy(only, torch.ones((1, 1, *shape[1:]), dtype=torch.long))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_killed_training_goes_on_to_the_same_model(lesson):
    labels = lesson.labels()
    script = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import time, torch; from pathlib import Path
torch.set_num_threads(1)
from lessons import QUICK; from sidecrate.science.train import train; from sidecrate.store import open_version
def slowly(done, total, message):
    print(done, flush=True); time.sleep(0.05)
root = Path({str(lesson.root)!r})
image, labels = open_version(root / "images/cell/v1"), open_version(root / "labels/truth/v1")
train(image, labels, root / "models/killed", **{{**QUICK, "iterations": 60}}, progress=slowly)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if int(line) == 20:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (lesson.root / "models/killed/v1").exists()
    seen = []
    resumed = lesson.train(labels, "killed", iterations=60, progress=lambda done, *_: seen.append(done))
    assert 10 < seen[0] <= 21
    assert resumed.digest == lesson.train(labels, "unkilled", iterations=60).digest


def test_a_checkpoint_of_other_options_is_not_gone_on_from(lesson):
    labels = lesson.labels()

    def stop(done, *_):
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lesson.train(labels, progress=stop)
    seen = []
    lesson.train(labels, seed=5, progress=lambda done, *_: seen.append(done))
    assert seen[0] == 1


def test_a_warm_start_goes_on_from_the_weights_and_may_add_classes(lesson):
    model = lesson.train(iterations=60, learning_rate=1e-2)
    array = lesson.some_slices()
    array[8, :10, :10] = 3
    two = lesson.train(lesson.labels(array, ("blob", "corner")), start=model, widths=(), learning_rate=1e-9)
    old, new = (load_file(m.path / models.WEIGHTS) for m in (model, two))
    assert new["head.weight"].shape[0] == 3
    for name, tensor in old.items():  # the statistics of the normalisation too
        torch.testing.assert_close(new[name][: len(tensor)] if name.startswith("head") else new[name], tensor)
    assert described(two)["training"]["inputs"]["start"]["digest"] == model.digest
    assert described(two)["normalisation"] == described(model)["normalisation"]


def test_several_label_sets_with_their_images(lesson):
    other = volumes.save_image(lesson.root, np.flip(volumes_of(lesson.image), 0), name="other")
    more = lesson.labels(np.flip(lesson.some_slices(), 0), name="more", image=other)
    model = lesson.train([lesson.labels(), more], image=[lesson.image, other])
    assert [item["ref"] for item in described(model)["training"]["inputs"]["labels"]] == ["truth@v1", "more@v1"]
    assert [item["image"]["ref"] for item in model.meta["coverage"]] == ["cell@v1", "other@v1"]


def volumes_of(image):
    from sidecrate.science.arrays import open_array

    return open_array(image)[:, :, :]


def test_labels_held_out_share_no_receptive_field_with_those_trained_on(lesson):
    validation = described(lesson.train(hold_out=0.3))["training"]["validation"]
    assert validation["share_seeing_trained_labels"] == 0
    assert validation["lowest_loss"] > 0


def test_validation_labels_near_trained_ones_are_reported(lesson):
    near = lesson.labels(lesson.some_slices(10), name="near")
    validation = described(lesson.train(validation=near))["training"]["validation"]
    assert validation["share_seeing_trained_labels"] == 1


def test_training_ends_when_the_validation_loss_does_not_fall_and_keeps_the_best_weights():
    torch.manual_seed(0)
    net = UNet(Plan.for_voxels((1, 1, 1), (2, 4)), 2)
    shape = net.plan.input_shape((4, 4, 4))
    grey = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    right = np.ones((2, *net.plan.output_shape(shape)), np.uint8)
    schedule = Schedule(iterations=400, learning_rate=1e-2, frozen_from=0, check_every=2, patience=3)
    opposite = [Batch(grey, right * 2)]
    state = fit(
        net, lambda _: Batch(grey, right), np.ones(2, np.float32), schedule, Engine.pick("cpu"), validation=opposite
    )
    assert state.iteration < 30
    best = min(point["validation_loss"] for point in state.curve)
    assert state.curve[-1]["validation_loss"] > best
    assert loss_of(net.eval(), opposite[0], torch.ones(2), Engine.pick("cpu")).item() == pytest.approx(best, abs=1e-5)


# ------------------------------------------------------------------------------------------ what is refused


def test_labels_of_another_image_are_refused(lesson):
    other = volumes.save_image(lesson.root, lesson.truth, name="other")
    with pytest.raises(InputError, match=r"truth@v1 was painted on cell@v1"):
        lesson.train(image=other)


def test_a_class_nobody_labelled_is_refused(lesson):
    with pytest.raises(InputError, match="no voxel is labelled 'pore'"):
        lesson.train(lesson.labels(names=("blob", "pore")))


def test_empty_labels_are_refused(lesson):
    with pytest.raises(InputError, match="no voxel is labelled"):
        lesson.train(lesson.labels(np.zeros_like(lesson.truth)))


def test_a_label_without_a_name_is_refused(lesson):
    with pytest.raises(InputError, match="label 7 has no name"):
        lesson.train(lesson.labels(np.where(lesson.some_slices() == 2, 7, lesson.some_slices())))


def test_a_constant_image_is_refused(lesson):
    flat = volumes.save_image(lesson.root, np.full_like(lesson.truth, 9), name="flat")
    with pytest.raises(InputError, match="constant"):
        lesson.train(lesson.labels(image=flat), image=flat)


@pytest.mark.parametrize(
    "options",
    [
        {"iterations": 0},
        {"learning_rate": 0},
        {"hold_out": 1.5},
        {"device": "gramophone"},
        {"class_weights": {"blob": 1}},
        {"widths": (0, 4)},
        {"seed": -1},
        {"seed": 1 << 64},
        {"batch": 10**20},
        {"device": "meta"},
    ],
)
def test_options_out_of_range_are_refused(lesson, options):
    with pytest.raises(InputError):
        lesson.train(**options)


def test_a_warm_start_with_other_classes_is_refused(lesson, model):
    with pytest.raises(InputError, match="begin with these classes"):
        lesson.train(lesson.labels(names=("pore",)), start=model, widths=())


# --------------------------------------------------------------------------------- weights from strangers


def replaced(model, series, name, data):
    """A version like `model` with one file of other bytes."""
    with draft(Model, series) as made:
        for path in model.path.iterdir():
            if path.name not in ("artifact.json", "manifest-sha256.txt"):
                made.write(path.name, data if path.name == name else path.read_bytes())
        return made.finish(model.meta)


@pytest.fixture
def broken(model, tmp_path):
    """Makes a version like the model with one file of other bytes."""
    return lambda name, data: replaced(model, tmp_path / "models/broken", name, data)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff" * 64, (1 << 40).to_bytes(8, "little") + b"{}", b"\x80\x04\x95pickle", b"\x02" + b"\0" * 7 + b"{}"],
)
def test_weights_that_are_not_safetensors_are_an_input_error(broken, data):
    with pytest.raises(InputError, match=models.WEIGHTS):
        models.load(broken(models.WEIGHTS, data))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(3, 2, 1, 1, 1),
        torch.zeros(2, 2, 1, 1, 1, dtype=torch.float64),
        torch.full((2, 2, 1, 1, 1), torch.nan),
    ],
)
def test_weights_that_do_not_fit_the_description_are_an_input_error(model, broken, tensor):
    with pytest.raises(InputError, match=r"head\.weight"):
        models.load(broken(models.WEIGHTS, save(load_file(model.path / models.WEIGHTS) | {"head.weight": tensor})))


@pytest.mark.parametrize(
    "change",
    [
        {"widths": [10**9, 4]},
        {"widths": [2, 4] * 50},
        {"widths": "ab"},
        {"kernels": [[3, 3, 3]]},
        {"kernels": [[3, 3, 4]] * 2},
        {"pools": [[2, 2]]},
    ],
)
def test_a_description_out_of_range_is_an_input_error(model, broken, change):
    text = described(model)
    text["architecture"] |= change
    with pytest.raises(InputError, match=r"model\.json"):
        models.load(broken(models.DESCRIPTION, json.dumps(text).encode()))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"[" * 100_000, b'{"architecture": 3}', b"\xff"])
def test_a_description_that_is_not_one_is_an_input_error(broken, data):
    with pytest.raises(InputError, match=r"model\.json"):
        models.load(broken(models.DESCRIPTION, data))


def test_a_huge_net_in_the_description_is_refused_without_being_built(model, broken):
    text = described(model)
    widths = [1024] * 6
    text["architecture"] |= {"widths": widths, "kernels": [[3, 3, 3]] * 6, "pools": [[2, 2, 2]] * 5}
    with pytest.raises(InputError, match=r"is not what model\.json describes"):
        models.load(broken(models.DESCRIPTION, json.dumps(text).encode()))
