"""An LSTM layer in PyTorch, TensorFlow, JAX, ONNX Runtime and OpenVINO, timed on request.

`peers.py NAME THREADS` reads requests and writes answers, one JSON object per line:

    {"work": "infer", "dtype": "f32", "steps": 28, "batch": 100, "input": 28, "hidden": 128, "seconds": 0.3}
    {"who": "pytorch 2.15.0", "check": [...], "ms": [...]}    or    {"error": "..."}

`work` is `infer` (the outputs of all steps), `train` (the gradients of their sum with respect to all weights) or
`stream` (one step from given states). For `train`, `check` is the norm of the gradients with respect to the two weight
matrices; otherwise it is the output of the last sequence at the last step. `ms` is a list of times in milliseconds, one
for each timed run. With the `dtype` `bf16` PyTorch runs under autocast, and OpenVINO with that inference precision; the
other peers have f32 alone.
"""

import json
import os
import sys
import time

import numpy as np


def numbers(seed, bound, *shape):
    """Pseudo-random numbers in (-bound, bound), the same for all contestants."""
    indices = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(seed << 24)
    fractions = (indices * np.uint64(2654435761) & np.uint64(0xFFFFFFFF)) / 2.0**31 - 1.0
    return (fractions * bound).astype(np.float32).reshape(shape)


class Job:
    """The data of a request's layer, with PyTorch's names, layout and gate order i, f, g, o."""

    def __init__(self, request):
        self.work = request["work"]
        self.bf16 = request.get("dtype") == "bf16"
        t, b, i, h = (request[size] for size in ("steps", "batch", "input", "hidden"))
        bound = h**-0.5
        self.sizes = t, b, i, h
        self.x = numbers(0, 1.0, t, b, i)
        self.w_ih, self.w_hh = numbers(1, bound, 4 * h, i), numbers(2, bound, 4 * h, h)
        self.b_ih, self.b_hh = numbers(3, bound, 4 * h), numbers(4, bound, 4 * h)
        self.h0, self.c0 = numbers(5, 1.0, b, h), numbers(6, 1.0, b, h)


def norm(*matrices):
    return [float(np.sqrt(sum(np.square(np.float64(matrix)).sum() for matrix in matrices)))]


def last(outputs):
    """From outputs `[T, B, H]`: those of the last sequence at the last step."""
    return [float(number) for number in np.asarray(outputs)[-1, -1]]


def pytorch(threads):
    import torch

    torch.set_num_threads(threads)

    def prepare(job):
        t, b, i, h = job.sizes
        layer = torch.nn.LSTM(i, h)
        with torch.no_grad():
            for name in ("w_ih", "w_hh", "b_ih", "b_hh"):
                full = name.replace("w_", "weight_").replace("b_", "bias_") + "_l0"
                getattr(layer, full).copy_(torch.from_numpy(getattr(job, name)))
        x = torch.from_numpy(job.x)
        states = torch.from_numpy(job.h0)[None], torch.from_numpy(job.c0)[None]

        autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=job.bf16)

        def train():
            layer.zero_grad(set_to_none=True)
            with autocast:
                loss = layer(x, states)[0].float().sum()
            loss.backward()

        def infer():
            with torch.inference_mode(), autocast:
                return layer(x, states)[0]

        if job.work == "train":
            train()
            return norm(layer.weight_ih_l0.grad, layer.weight_hh_l0.grad), train
        return last(infer().float()), infer

    return "pytorch " + torch.__version__.split("+")[0], prepare


def jax(threads):
    import jax
    import jax.numpy as jnp

    def outputs(weights, x, h0, c0):
        w_ih, w_hh, bias = weights

        def step(state, gates):
            m, c = state
            i, f, g, o = jnp.split(gates + m @ w_hh, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            m = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (m, c), m

        # The product with the input is computed once, for all steps.
        return jax.lax.scan(step, (h0, c0), x @ w_ih + bias)[1]

    gradients = jax.grad(lambda weights, *rest: outputs(weights, *rest).sum())

    def prepare(job):
        weights = job.w_ih.T.copy(), job.w_hh.T.copy(), job.b_ih + job.b_hh
        args = jax.device_put((weights, job.x, job.h0, job.c0))
        function = jax.jit(gradients if job.work == "train" else outputs)
        run = lambda: jax.block_until_ready(function(*args))
        result = run()
        return (norm(*result[:2]) if job.work == "train" else last(result)), run

    return "jax " + jax.__version__, prepare


def tensorflow(threads):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def prepare(job):
        t, b, i, h = job.sizes
        layer = tf.keras.layers.LSTM(h, return_sequences=True)
        # Keras has the batch first. Its gate order is i, f, g, o too.
        x = tf.constant(job.x.transpose(1, 0, 2).copy())
        states = [tf.constant(job.h0), tf.constant(job.c0)]
        layer.build(x.shape)
        layer.set_weights([job.w_ih.T, job.w_hh.T, job.b_ih + job.b_hh])
        weights = layer.trainable_weights
        values = [weight.value for weight in weights]

        def infer(x, h, c):
            return layer(x, initial_state=[h, c])

        def train(x, h, c):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(infer(x, h, c))
            return tape.gradient(loss, values)

        work = train if job.work == "train" else infer
        runs = []
        for compiled in (False, True):
            function = tf.function(work, jit_compile=compiled)
            run = lambda function=function: function(x, *states)
            run()
            start = time.perf_counter()
            result = run()
            check = result[0].numpy() if job.work == "train" else result.numpy()
            runs.append((time.perf_counter() - start, run))
        run = min(runs, key=lambda timed: timed[0])[1]
        if job.work == "train":
            return norm(result[0].numpy(), result[1].numpy()), run
        return last(check.transpose(1, 0, 2)), run

    return "tensorflow " + tf.__version__, prepare


def onnx_model(job):
    """The layer as bytes of an ONNX model, and its inputs by name."""
    from onnx import TensorProto, checker, helper, numpy_helper

    t, b, i, h = job.sizes
    # ONNX orders the gates i, o, f, c.
    order = lambda w: np.concatenate([w[k * h : (k + 1) * h] for k in (0, 3, 1, 2)])[None]
    bias = np.concatenate([order(job.b_ih), order(job.b_hh)], axis=1)
    weights = {"W": order(job.w_ih), "R": order(job.w_hh), "B": bias}
    inputs = {"X": job.x, "h0": job.h0[None], "c0": job.c0[None]}
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in inputs.items()]
    outputs = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in (("Y", (t, 1, b, h)), ("Yh", (1, b, h)), ("Yc", (1, b, h)))
    ]
    names = ["X", "W", "R", "B", "", "h0", "c0"]
    node = helper.make_node("LSTM", names, ["Y", "Yh", "Yc"], hidden_size=h)
    weights = [numpy_helper.from_array(a, n) for n, a in weights.items()]
    graph = helper.make_graph([node], "lstm", infos, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString(), inputs


def openvino(threads):
    import openvino as ov

    core = ov.Core()

    def prepare(job):
        if job.work == "train":
            raise NotImplementedError("OpenVINO is measured for inference only")
        model, inputs = onnx_model(job)
        properties = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if job.bf16 else "f32",
        }
        request = core.compile_model(core.read_model(model), "CPU", properties).create_infer_request()
        run = lambda: request.infer(inputs)
        return last(run()[0][:, 0]), run

    return "openvino " + ov.__version__.split("-")[0], prepare


def onnxruntime(threads):
    import onnxruntime as ort

    def prepare(job):
        if job.work == "train":
            raise NotImplementedError("ONNX Runtime is measured for inference only")
        model, inputs = onnx_model(job)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = ort.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        run = lambda: session.run(None, inputs)
        return last(run()[0][:, 0]), run

    return "onnxruntime " + ort.__version__, prepare


def measure(run, seconds):
    """Times runs for `seconds` and returns the milliseconds of each. Short runs are timed in groups; the first timing is
    dropped if there are others."""
    start = time.perf_counter()
    run()
    together = max(1, int(1e-4 / (time.perf_counter() - start)))
    times = []
    while not times or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        for _ in range(together):
            run()
        times.append((time.perf_counter() - begin) * 1000 / together)
    return times[1:] or times


def main():
    name, threads = sys.argv[1], int(sys.argv[2])
    # Only the answers go to standard output. What the libraries print goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if hasattr(os, "sched_setaffinity"):
        # XLA starts one thread for each core in its affinity mask.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    peers = {f.__name__: f for f in (pytorch, tensorflow, jax, onnxruntime, openvino)}
    who, prepare = peers[name](threads)
    held = None
    for line in sys.stdin:
        request = json.loads(line)
        seconds = request.pop("seconds")
        try:
            if held is None or held[0] != request:
                held = None
                held = (request, *prepare(Job(request)))
            answer = {"who": who, "check": held[1], "ms": measure(held[2], seconds)}
        except Exception as error:
            answer = {"who": who, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
