# SPDX-License-Identifier: Apache-2.0
"""The steps of the loop, observed: science meets provenance here and nowhere else.

Each name is the step of `sidecrate.science` with the same signature; called while a project is being recorded it
leaves a record, else it is just the step.
"""

from __future__ import annotations

from sidecrate.provenance.recorder import observe
from sidecrate.science import evaluate as _evaluate
from sidecrate.science import images as _images
from sidecrate.science import label as _label
from sidecrate.science import measure as _measure
from sidecrate.science import merge as _merge
from sidecrate.science import predict as _predict
from sidecrate.science import references as _references
from sidecrate.science import suggest as _suggest
from sidecrate.science import train as _train

__all__ = ["add", "evaluate", "label", "measure", "merge", "predict", "refer", "suggest", "train"]

add = observe(_images.add)
refer = observe(_references.refer)
label = observe(_label.label)
merge = observe(_merge.merge)
train = observe(_train.train)
predict = observe(_predict.predict)
evaluate = observe(_evaluate.evaluate)
suggest = observe(_suggest.suggest)
measure = observe(_measure.measure)
