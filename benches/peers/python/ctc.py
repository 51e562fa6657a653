"""Speed of PyTorch's CTC loss on the CPU: log-softmax, loss and gradient, as in `benches/ctc.rs`.

    ctc.py --threads 2

prints one JSON object with the median and the least time of a run, in milliseconds: of the loss alone, and of the loss
and its gradient with respect to the logits. Logits and targets are random.
"""

import argparse
import json
import os
import statistics
import time

import torch
from torch.nn.functional import ctc_loss, log_softmax

STEPS, BATCH, CLASSES = 200, 32, 29
WARMUP = 5


def batch():
    """Logits of `[T, B, V]`, the targets one after the other, and the lengths of both."""
    logits = torch.empty(STEPS, BATCH, CLASSES).uniform_(-3.0, 3.0)
    target_lengths = torch.randint(20, 41, (BATCH,))
    targets = torch.randint(CLASSES - 1, (int(target_lengths.sum()),))
    return logits, targets, torch.full((BATCH,), STEPS), target_lengths


def loss(logits, targets, lengths, target_lengths):
    logarithms = log_softmax(logits, dim=-1)
    losses = ctc_loss(logarithms, targets, lengths, target_lengths, blank=CLASSES - 1, reduction="none")
    return losses.mean()


def measured(run, runs):
    """The times of some runs in milliseconds."""
    times = []
    for _ in range(WARMUP + runs):
        begin = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - begin))
    times = times[WARMUP:]
    return {"median": round(statistics.median(times), 3), "least": round(min(times), 3)}


def main():
    parser = argparse.ArgumentParser(description="Speed of PyTorch's CTC loss.")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=50, help="default: %(default)s")
    args = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    logits, *rest = batch()
    tracked = logits.clone().requires_grad_()

    def alone():
        with torch.inference_mode():
            loss(logits, *rest)

    def with_gradient():
        torch.autograd.grad(loss(tracked, *rest), tracked)

    found = {"loss": measured(alone, args.runs), "loss-and-gradient": measured(with_gradient, args.runs)}
    print(json.dumps({"who": "pytorch " + torch.__version__.split("+")[0], "threads": args.threads} | found))


if __name__ == "__main__":
    main()
