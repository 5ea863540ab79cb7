"""Where a model of all other networks would put the best network under a latency limit, among those that meet it: beyond
its budget, no search by prediction finds it but by chance.

    python limits-ceiling.py nas_bench_201_accuracy.csv.gz nas_bench_201_latency.csv.gz

Needs NumPy and scikit-learn.
"""

import csv
import gzip
import sys

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.model_selection import KFold

OPERATIONS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
# edges from input to output
PATHS = [[0, 2, 5], [0, 4], [1, 5], [3]]
LIMITS = [("edgegpu", 3.03), ("edgegpu", 4.4), ("edgegpu", 5.64), ("gold_6226", 6.21), ("gold_6226", 8.28)]
LIMITS += [("gold_6226", 10.4), ("raspi4", 8.04), ("raspi4", 19.3), ("raspi4", 27.8)]


def rows(file):
    with gzip.open(file, "rt") as text:
        return {row["arch"]: row for row in csv.DictReader(text)}


def features(arch):
    operations = [OPERATIONS.index(edge.split("~")[0]) for node in arch.split("+") for edge in node.strip("|").split("|")]
    paths = [path for path in PATHS if all(operations[edge] for edge in path)]
    live = {edge for path in paths for edge in path}
    lengths = [[sum(operations[edge] in kinds for edge in path) for path in paths] for kinds in ({2, 3}, {3})]
    found = [operations[edge] == kind for edge in range(6) for kind in range(5)]
    found += [edge in live and operations[edge] == kind for edge in range(6) for kind in range(1, 5)]
    found += [sum(operations[edge] == kind for edge in live) for kind in range(1, 5)]
    found += [len(paths)] + [end(length, default=-1) for length in lengths for end in (max, min)]
    return np.array(found, float)


if __name__ == "__main__":
    accuracies, latencies = map(rows, sys.argv[1:])
    archs = list(accuracies)
    seen = np.array([features(arch) for arch in archs])
    valid = np.array([float(accuracies[arch]["cifar100_valid_acc"]) for arch in archs])
    # the worst third would only take part of the model
    useful = valid > np.quantile(valid, 0.3)
    predicted = np.zeros(len(archs))
    for train, held in KFold(10, shuffle=True, random_state=0).split(seen):
        train = train[useful[train]]
        models = ExtraTreesRegressor(200, min_samples_leaf=2, random_state=0), HistGradientBoostingRegressor(
            max_iter=400, learning_rate=0.05, random_state=0
        )
        predicted[held] = np.mean([model.fit(seen[train], valid[train]).predict(seen[held]) for model in models], 0)
    for device, limit in LIMITS:
        ms = np.array([float(latencies[arch][f"{device}_ms"]) for arch in archs])
        meets = np.flatnonzero(ms <= limit)
        best, second = meets[np.argsort(-valid[meets])[:2]]
        place = 1 + int((predicted[meets] > predicted[best]).sum())
        gaps = valid[best] - valid[second], valid[best] - predicted[best]
        print(f"{device} {limit} ms: place {place} of {len(meets)}, {gaps[0]:.2f} above the second, {gaps[1]:.2f} above its prediction")
