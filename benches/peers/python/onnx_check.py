"""Exported models in ONNX's checker and in ONNX Runtime.

    onnx_check.py FOLDER

For each `NAME.onnx` in the folder there is a `NAME.json` with arrays that the model is given and that it must return:

    {"name": "…", "inputs": {"series": {"dtype": "float64", "shape": [1, 2, 1], "data": [0.5, 1.0]}}, "outputs": {…}}

With an `"error"` in place of `null` the run must end with an error that contains that text.

`cargo test -p fgn-onnx` writes such a folder and runs this script where `FGN_PYTHON` names a Python that has the
packages `onnx`, `onnxruntime` and `numpy`.
"""

import argparse
import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime

# The largest difference allowed, relative to numbers above 1.
TOLERANCE = 1e-5


def array(described):
    return numpy.array(described["data"]).astype(described["dtype"]).reshape(described["shape"])


def check(path):
    """What is wrong with the model, in lines; empty if nothing is."""
    onnx.checker.check_model(str(path), full_check=True)
    case = json.loads(path.with_suffix(".json").read_text())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    inputs = {name: array(described) for name, described in case["inputs"].items()}
    if case["error"] is not None:
        return refusal(path, case, session, inputs)
    found = session.run(None, inputs)
    wrong = []
    if set(names) != set(case["outputs"]):
        wrong.append(f"outputs {names}, expected {list(case['outputs'])}")
    for name, values in zip(names, found):
        expected = array(case["outputs"][name])
        if values.shape != expected.shape or values.dtype != expected.dtype:
            wrong.append(f"{name}: {values.dtype}{values.shape}, expected {expected.dtype}{expected.shape}")
            continue
        difference = numpy.abs(values - expected) / numpy.maximum(numpy.abs(expected), 1.0)
        if not difference.max() < TOLERANCE:
            wrong.append(f"{name}: a difference of {difference.max()}, expected less than {TOLERANCE}")
    return [f"{path.name} ({case['name']}): {line}" for line in wrong]


def refusal(path, case, session, inputs):
    """As `check`, of a run that must fail."""
    try:
        found = f"outputs {session.run(None, inputs)}"
    except Exception as error:
        found = str(error)
    fits = case["error"] in found
    return [] if fits else [f"{path.name} ({case['name']}): {found}, expected an error with {case['error']}"]


def main():
    parser = argparse.ArgumentParser(description="Runs exported models in ONNX Runtime.")
    parser.add_argument("folder", type=pathlib.Path)
    models = sorted(parser.parse_args().folder.glob("*.onnx"))
    if not models:
        sys.exit("no .onnx file in the folder")
    wrong = [line for path in models for line in check(path)]
    for line in wrong:
        print(line)
    print(f"{len(models)} models, {len(wrong)} differences")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
