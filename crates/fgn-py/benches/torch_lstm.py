"""The time of a training step of an LSTM layer beside torch.nn.LSTM's, forward and backward.

    torch_lstm.py [--threads 2] [--seconds 1] [--rounds 5] [--only row,pixel,text] [--json FILE]

Both run in turns, several rounds, on the same numbers; the result is the median of all runs. fgn's threads are set by the
environment before anything is imported, PyTorch's to the same number. Each shape is run with sequences of full length, and
with lengths from a quarter of it to all of it: `lengths=` beside `pack_padded_sequence`.
"""

import argparse
import json
import os
import statistics
import sys
import time

SHAPES = {
    # steps, batch, input, hidden
    "row": (28, 100, 28, 128),
    "pixel": (784, 100, 1, 128),
    "text": (128, 32, 128, 512),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round, for each contestant")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(SHAPES))
    parser.add_argument("--json", help="a file for the times of all runs, in milliseconds")
    args = parser.parse_args()
    unknown = set(args.only.split(",")) - set(SHAPES)
    if unknown or args.threads < 1 or args.rounds < 1:
        parser.error(f"expected shapes among {list(SHAPES)}, threads and rounds of at least 1")
    for name in ("RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    import torch

    import fgn

    torch.set_num_threads(args.threads)
    print(f"fgn ({fgn.instruction_set()}) beside PyTorch {torch.__version__}, {args.threads} threads")
    print("milliseconds of a step, forward and backward; the median of all runs\n")
    print(f"{'shape':<24} {'fgn':>9} {'PyTorch':>9} {'ratio':>7}")
    results = {}
    for name in args.only.split(","):
        for variable in (False, True):
            label = f"{name}, lengths" if variable else name
            ours, theirs = measure(SHAPES[name], variable, args)
            results[label] = {"fgn": ours, "pytorch": theirs}
            one, other = statistics.median(ours), statistics.median(theirs)
            print(f"{label:<24} {one:>9.2f} {other:>9.2f} {other / one:>6.2f}x", flush=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"command": sys.argv, "torch": torch.__version__, "ms": results}, file)


def measure(shape, variable, args):
    """The milliseconds of each run of ours, and of PyTorch's."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    import fgn.torch

    steps, batch, inputs, hidden = shape
    torch.manual_seed(1)
    theirs = torch.nn.LSTM(inputs, hidden)
    ours = fgn.torch.LSTM(inputs, hidden)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(steps, batch, inputs)
    weights = torch.randn(steps, batch, hidden)
    lengths = torch.linspace(steps // 4, steps, batch).long().clamp(min=1)[torch.randperm(batch)]

    def run_ours():
        return ours(x, lengths=lengths if variable else None)[0]

    def run_theirs():
        if not variable:
            return theirs(x)[0]
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        return pad_packed_sequence(theirs(packed)[0], total_length=steps)[0]

    def step(layer, forward):
        layer.zero_grad()
        output = forward()
        output.backward(weights)
        return output

    contestants = [(ours, run_ours), (theirs, run_theirs)]
    first, second = (step(*contestant) for contestant in contestants)
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters()):
        scale = other.grad.abs().max()
        assert (one.grad - other.grad).abs().max() <= 1e-3 * scale, f"gradients differ: {name}"
    times = [[], []]
    for _ in range(args.rounds):
        for contestant, list_of in zip(contestants, times):
            end = time.perf_counter() + args.seconds
            while True:
                start = time.perf_counter()
                step(*contestant)
                list_of.append(1e3 * (time.perf_counter() - start))
                if time.perf_counter() > end:
                    break
    return times


if __name__ == "__main__":
    main()
