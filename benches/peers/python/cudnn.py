"""Measures PyTorch's LSTM, which is cuDNN's, on the GPU, with the shapes of the program `gpu`.

`cudnn.py` prints a line of JSON for each measurement, as `gpu time` does. `cudnn.py GPU` then also runs the program
`gpu` at the path GPU on the same card, and prints a table of both. Needs PyTorch with CUDA.
"""

import json
import statistics
import subprocess
import sys
import time

import torch

SHAPES = [(1024, 16, 768, 768), (784, 100, 1, 128), (28, 100, 28, 128), (256, 64, 1024, 1024)]
LEAST, MOST_RUNS = 1.0, 200


def measured(run):
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    start, ms = time.perf_counter(), []
    while time.perf_counter() - start < LEAST and len(ms) < MOST_RUNS:
        before = time.perf_counter()
        run()
        torch.cuda.synchronize()
        ms.append((time.perf_counter() - before) * 1e3)
    return ms


def lines():
    # Products in full precision, like ours.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    for t, b, i, h in SHAPES:
        for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
            layer = torch.nn.LSTM(i, h, device="cuda", dtype=dtype)
            x = torch.sin(torch.arange(t * b * i, device="cuda") * 0.61).reshape(t, b, i).to(dtype)

            def infer():
                with torch.inference_mode():
                    layer(x)

            def train():
                layer.zero_grad(set_to_none=True)
                layer(x)[0].sum().backward()

            for work, run in (("infer", infer), ("train", train)):
                torch.cuda.reset_peak_memory_stats()
                ms = measured(run)
                yield {
                    "who": f"pytorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}",
                    "cell": "lstm", "dtype": name, "work": work,
                    "steps": t, "batch": b, "input": i, "hidden": h, "ms": ms,
                    "used_mib": torch.cuda.max_memory_allocated() >> 20,
                }


def main():
    theirs = []
    for line in lines():
        print(json.dumps(line), flush=True)
        theirs.append(line)
    if len(sys.argv) < 2:
        return
    output = subprocess.run([sys.argv[1], "time"], check=True, capture_output=True, text=True).stdout
    print(output, end="", flush=True)
    ours = [json.loads(line) for line in output.splitlines()]
    key = lambda line: tuple(line[of] for of in ("steps", "batch", "input", "hidden", "dtype", "work"))
    median = lambda line: statistics.median(line["ms"])
    print(f"\n{torch.cuda.get_device_name()}; medians in ms")
    print("    T    B     I     H  type  work     cuDNN lstm   fgn lstm   times   fgn fgn")
    for line in theirs:
        lstm, fgn = (
            median(next(own for own in ours if own["cell"] == cell and key(own) == key(line)))
            for cell in ("lstm", "fgn")
        )
        t, b, i, h, name, work = key(line)
        print(f"{t:5}{b:5}{i:6}{h:6}  {name:5} {work:6}{median(line):13.3f}{lstm:11.3f}"
              f"{lstm / median(line):8.2f}{fgn:10.3f}")


if __name__ == "__main__":
    main()
