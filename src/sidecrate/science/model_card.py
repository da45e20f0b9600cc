# SPDX-License-Identifier: Apache-2.0
"""The model card: what a net is, what it was trained on, how it went, and what not to expect of it.

After Mitchell et al. 2019, "Model Cards for Model Reporting"; written from ``model.json`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sidecrate.artifacts import Json
from sidecrate.science import plots


def text(description: Json) -> str:
    """Return the model card in Markdown."""
    training, architecture = description["training"], description["architecture"]
    settings = training["settings"]
    voxels = " × ".join(f"{step:g}" for step in description["voxel_nm"])
    halo = " × ".join(str(size) for size in architecture["halo_voxels"])
    labels, volumes = ([item["ref"] for item in training["inputs"][key]] for key in ("labels", "images"))
    lines = [
        f"# Model card: {_listing(description['classes'][1:])}",
        "",
        f"Segments {_listing(description['classes'])} in volume electron microscopy at {voxels} nm (z, y, x).",
        "",
        "## Net",
        "",
        f"{architecture['name']}; widths {_listing(architecture['widths'])}; {architecture['parameters']} parameters.",
        f"A voxel is judged by the {halo} voxels around it on each side, and by nothing else.",
        "",
        "## Trained on",
        "",
        f"Labels {_listing(labels)} on {_listing(volumes)}; unlabelled voxels had no say.",
        "",
        "| class | labelled voxels | weight in the loss |",
        "| --- | ---: | ---: |",
        *_class_rows(training["labelled_voxels"], settings["class_weights"]),
        "",
        "## How it went",
        "",
        f"{training['iterations_done']} iterations on {settings['device']} in {settings['dtype']}, "
        f"seed {settings['seed']}{_start(training)}.",
        "",
        "![Loss over the iterations](curve.svg)",
        "",
        _validation(training),
        "",
        "## Limits",
        "",
        "It has seen the volumes named above only. On other specimens, stains, microscopes or voxel sizes evaluate it",
        "first, against labels it was not trained on. Its losses say how training went, not how good it is.",
        "",
    ]
    return "\n".join(lines)


def curve(points: Sequence[Mapping[str, float]]) -> bytes:
    """Return an SVG of training and validation loss over the iterations."""
    lines = {}
    for key, label in (("training_loss", "training"), ("validation_loss", "validation")):
        known = [point for point in points if key in point]
        if known:
            lines[label] = ([point["iteration"] for point in known], [point[key] for point in known])
    return plots.lines(lines, "Loss", "iteration", "weighted cross-entropy")


def _class_rows(voxels: Mapping[str, int], weights: Mapping[str, float]) -> list[str]:
    return [f"| {name} | {voxels[name]} | {weights[name]:.3g} |" for name in voxels]


def _start(training: Json) -> str:
    start = training["inputs"]["start"]
    return f", going on from {start['ref']}" if start else ""


def _validation(training: Json) -> str:
    validation = training.get("validation")
    if validation is None:
        return "No labels were kept back for validation: every label was trained on."
    seen = 100 * validation["share_seeing_trained_labels"]
    return (
        f"Lowest validation loss {validation['lowest_loss']:.4g}; of the validation voxels {seen:.3g} % have a label "
        "that was trained on within their receptive field."
    )


def _listing(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values)
