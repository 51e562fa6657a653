"""Speed of a sound model in PyTorch on the CPU, fed in pieces as a stream is.

    audio.py stream --seconds 20 --threads 1

Each piece of 10 ms at 16 kHz gives one step: the spectrum of the last 25 ms, the logarithm of 40 mel bands, two LSTM
layers of 128 units, and a linear layer for 12 classes. That is less than the forgetting gate network computes, which
has one gate more a unit. Weights and sound are random: the speed does not depend on them. It prints one JSON object;
`real_time_factor` is the seconds of computation for each second of sound.
"""

import argparse
import json
import os
import statistics
import time

import torch
from torch import nn

RATE, HOP, WINDOW, FFT, BANDS, UNITS, CLASSES = 16000, 160, 400, 512, 40, 128, 12
ROUNDS, WARMUP = 3, 100
WHO = "pytorch " + torch.__version__.split("+")[0]


class Stream(nn.Module):
    """A model that keeps the last samples and the state of its layers."""

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW, periodic=True))
        # The values of a mel filter bank do not change the speed.
        self.register_buffer("bands", torch.rand(FFT // 2 + 1, BANDS))
        self.lstm = nn.LSTM(BANDS, UNITS, num_layers=2)
        self.linear = nn.Linear(UNITS, CLASSES)

    def forward(self, piece, samples, state):
        samples = torch.cat((samples[HOP:], piece))
        spectrum = torch.fft.rfft(samples * self.window, FFT)
        power = spectrum.real.square() + spectrum.imag.square()
        features = torch.log(power @ self.bands + 1e-6)
        output, state = self.lstm(features[None], state)
        return self.linear(output), samples, state


@torch.inference_mode()
def run(model, pieces):
    """Feeds all pieces and returns the seconds that it took."""
    samples, state = torch.zeros(WINDOW), None
    for piece in pieces[:WARMUP]:
        _, samples, state = model(piece, samples, state)
    begin = time.perf_counter()
    for piece in pieces[WARMUP:]:
        logits, samples, state = model(piece, samples, state)
    logits.sum().item()
    return time.perf_counter() - begin


def stream(args):
    model = Stream().eval()
    count = int(args.seconds * RATE / HOP)
    pieces = torch.randn(count + WARMUP, HOP)
    seconds = [run(model, pieces) for _ in range(ROUNDS)]
    return {"real_time_factor": statistics.median(seconds) / args.seconds}


def main():
    parser = argparse.ArgumentParser(description="Speed of a sound model in PyTorch.")
    parser.add_argument("work", choices=["stream"])
    parser.add_argument("--seconds", type=float, default=20.0, help="of sound")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    print(json.dumps({"who": WHO, "work": args.work} | stream(args)))


if __name__ == "__main__":
    main()
