"""Writes ctc.json: small batches, and PyTorch's CTC losses and gradients in float64.

    pip install -r requirements.txt
    python ctc.py

writes the same file again, on the same processor bit for bit.

    python ctc.py --random FOLDER --count 1000 --seed 7

writes FOLDER/ctc.json with larger random batches in place of it. The environment variable FGN_CTC_CASES, set to the
folder, makes `cargo test -p fgn-nn --test suite -- ctc` compare them as well.

The file is a list of batches. Each has

    blank          the index of the blank
    zero_infinity  whether infinite losses and their gradients are zero
    lengths        [B]           how many steps each sample has
    targets        [B][L]        the labels of each sample, without blanks
    logits         [T, B, V]     exact in float32
    weights        [B]           what the losses are multiplied by before they are summed
    losses         [B]           not multiplied
    gradients      [T, B, V]     of the weighted sum with respect to the logits
"""

import argparse
import json
import pathlib
import random

import torch
from torch.nn.functional import ctc_loss, log_softmax


def solve(batch):
    """Adds losses and gradients to a batch."""
    logits = torch.tensor(batch["logits"], dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor(batch["lengths"])
    target_lengths = torch.tensor([len(target) for target in batch["targets"]])
    targets = torch.tensor([label for target in batch["targets"] for label in target], dtype=torch.long)
    losses = ctc_loss(
        log_softmax(logits, dim=-1),
        targets,
        lengths,
        target_lengths,
        blank=batch["blank"],
        reduction="none",
        zero_infinity=batch["zero_infinity"],
    )
    assert torch.isfinite(losses).all(), batch
    weights = torch.tensor(batch["weights"], dtype=torch.float64)
    (gradients,) = torch.autograd.grad((losses * weights).sum(), logits)
    for sample, length in enumerate(batch["lengths"]):
        assert (gradients[length:, sample] == 0).all(), batch
    return batch | {"losses": losses.tolist(), "gradients": gradients.tolist()}


def needed(target):
    """The fewest steps of a target."""
    return len(target) + sum(one == other for one, other in zip(target, target[1:]))


def draw_target(draw, labels, steps, repeats):
    """Labels that fit the steps; the more of them are equal to the one before, the higher `repeats`."""
    target = []
    for _ in range(draw.randint(0, steps)):
        again = target and draw.random() < repeats
        target.append(target[-1] if again else draw.choice(labels))
        if needed(target) > steps:
            return target[:-1]
    return target


def draw_batch(draw, steps, samples, classes, scale, digits):
    """A random batch; `scale` is the standard deviation of the logits."""
    blank = draw.choice([classes - 1, 0, draw.randrange(classes)])
    labels = [label for label in range(classes) if label != blank]
    lengths = [draw.randint(1, steps) for _ in range(samples)]
    lengths[draw.randrange(samples)] = steps
    repeats = draw.choice([0.0, 0.5])
    targets = [draw_target(draw, labels, length, repeats) for length in lengths]
    generator = torch.Generator().manual_seed(draw.getrandbits(32))
    logits = torch.randn(steps, samples, classes, generator=generator, dtype=torch.float64) * scale
    logits = (logits * 2**digits).round() / 2**digits
    assert (logits.float().double() == logits).all()
    weights = [draw.choice([1.0, 0.5, -2.0]) for _ in range(samples)]
    batch = {"blank": blank, "zero_infinity": False, "lengths": lengths, "targets": targets}
    return batch | {"logits": logits.tolist(), "weights": weights}


def committed():
    """Small batches: random ones, and those whose targets are at an edge."""
    draw = random.Random(1)
    batches = []
    for number in range(44):
        steps, samples, classes = draw.randint(1, 7), draw.randint(1, 2), draw.randint(2, 4)
        batches.append(draw_batch(draw, steps, samples, classes, [1.0, 4.0, 30.0][number % 3], 6))
    # Every step is needed; nothing but blanks; one label over and over; labels that differ and do not.
    edges = [
        ([3], [[0, 1, 0]]),
        ([5], [[0, 0, 0]]),
        ([4, 4], [[], [1]]),
        ([1, 1], [[], [0]]),
        ([6, 5], [[1, 1, 0, 0], [0, 1, 1]]),
        ([7], [[0, 1, 0, 1, 0, 1, 0]]),
        ([6, 1, 3], [[0, 1], [1], []]),
        ([7], [[1, 1]]),
    ]
    for lengths, targets in edges:
        batch = draw_batch(draw, max(lengths), len(lengths), 3, 1.5, 6)
        batches.append(batch | {"blank": 2, "lengths": lengths, "targets": targets})
    # Targets that are too long for their samples, beside others.
    for lengths, targets in [([2, 3], [[0, 0], [0, 0]]), ([3, 1, 3], [[0, 1, 0, 1], [], [1]])]:
        batch = draw_batch(draw, max(lengths), len(lengths), 3, 1.5, 6)
        edge = {"blank": 2, "zero_infinity": True, "lengths": lengths, "targets": targets}
        batches.append(batch | edge)
    # Logits far apart: probabilities below the range of an f64.
    for scale in [100.0, 300.0, 1000.0, 1000.0, 3000.0, 3000.0]:
        batches.append(draw_batch(draw, 6, 1, 3, scale, 4))
    return batches


def randomised(count, seed):
    """Random batches of up to 48 steps."""
    draw = random.Random(seed)
    scales = [0.3, 1.0, 5.0, 30.0, 300.0]
    for number in range(count):
        steps, samples, classes = draw.randint(1, 48), draw.randint(1, 4), draw.randint(2, 12)
        yield draw_batch(draw, steps, samples, classes, scales[number % 5], 10)


def main():
    parser = argparse.ArgumentParser(description="Writes CTC losses and gradients of PyTorch.")
    parser.add_argument("--random", type=pathlib.Path, metavar="FOLDER", help="write random batches there")
    parser.add_argument("--count", type=int, default=1000, help="how many random batches")
    parser.add_argument("--seed", type=int, default=7, help="of the random batches")
    args = parser.parse_args()
    torch.set_num_threads(1)
    batches = randomised(args.count, args.seed) if args.random else committed()
    text = ",\n".join(json.dumps(solve(batch), separators=(",", ":")) for batch in batches)
    folder = args.random or pathlib.Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ctc.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    main()
