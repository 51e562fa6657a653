"""The largest differences between what exported models predict in ONNX Runtime and what they should.

    differences.py FOLDER

For each `NAME.onnx` in the folder there are cases `NAME.N.json`:

    {"samples": {"shape": […], "data": […]}, "lengths": […], "outputs": {"logits": {"dtype": "float32", …}, …}}

Prints a JSON object: for each name a list with the largest difference of each case, relative to numbers above 1, or a
text that says what is wrong.
"""

import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime

DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64"}


def array(described, dtype):
    return numpy.array(described["data"]).astype(dtype).reshape(described["shape"])


def difference(found, expected, lengths):
    """The largest difference of an output, or what is wrong with it."""
    if "items" in expected:
        # Scores of all items after each step, of which those of the best items after the last one are known.
        found = found[numpy.arange(len(lengths)), numpy.array(lengths) - 1]
        found = numpy.take_along_axis(found, array(expected["items"], "int64"), 1)
    expected = array(expected, expected["dtype"])
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{found.dtype}{found.shape}, expected {expected.dtype}{expected.shape}"
    if found.dtype == numpy.int64:
        return 0.0 if (found == expected).all() else f"{found.tolist()}, expected {expected.tolist()}"
    apart = numpy.abs(found - expected) / numpy.maximum(numpy.abs(expected), 1.0)
    return float(apart.max()) if numpy.isfinite(apart).all() else "a number that is not finite"


def check(session, case):
    """The largest difference of a case, or what is wrong."""
    [samples, *optional] = session.get_inputs()
    given = {samples.name: array(case["samples"], DTYPES[samples.type])}
    if "lengths" in [value.name for value in [*optional, *session.get_overridable_initializers()]]:
        given["lengths"] = numpy.array(case["lengths"], "int64")
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, given)))
    most = 0.0
    for name, expected in case["outputs"].items():
        if name not in found:
            return f"no output {name} among {names}"
        apart = difference(found[name], expected, case["lengths"])
        if isinstance(apart, str):
            return f"{name}: {apart}"
        most = max(most, apart)
    return most


def main():
    folder = pathlib.Path(sys.argv[1])
    found = {}
    for path in sorted(folder.glob("*.onnx")):
        try:
            onnx.checker.check_model(str(path), full_check=True)
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            cases = sorted(folder.glob(f"{path.stem}.[0-9].json"))
            found[path.stem] = [check(session, json.loads(case.read_text())) for case in cases]
        except Exception as error:  # Whatever the checker or the runtime refuses is the result.
            found[path.stem] = [f"{type(error).__name__}: {error}"]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
