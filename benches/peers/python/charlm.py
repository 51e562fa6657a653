"""Speed of a character language model in PyTorch on the CPU: training and generation.

    charlm.py train --hidden 512 --layers 2 --embedding 128 --vocab 65 --batch 64 --steps 128 --seconds 20 --threads 2
    charlm.py generate --hidden 512 --layers 2 --embedding 128 --vocab 65 --tokens 2000 --threads 2

The model is an embedding, an LSTM and a linear layer. Weights and tokens are random: the speed does not depend on
them. Each command prints one JSON object. `tokens_per_second` is the result.
"""

import argparse
import json
import os
import statistics
import time

import torch
from torch import nn

WARMUP_STEPS, LEAST_STEPS = 2, 3
WARMUP_TOKENS, ROUNDS = 50, 3
TEMPERATURE, DROPOUT, CLIP = 0.8, 0.5, 0.5
WHO = "pytorch " + torch.__version__.split("+")[0]


class CharModel(nn.Module):
    """A character model. Tokens are `[B, T]`, logits `[B, T, V]`."""

    def __init__(self, args):
        super().__init__()
        dropout = DROPOUT if args.layers > 1 else 0.0
        self.embedding = nn.Embedding(args.vocab, args.embedding)
        self.lstm = nn.LSTM(args.embedding, args.hidden, args.layers, dropout=dropout, batch_first=True)
        self.linear = nn.Linear(args.hidden, args.vocab)

    def forward(self, tokens, state):
        outputs, state = self.lstm(self.embedding(tokens), state)
        return self.linear(outputs), state


class CellModel(nn.Module):
    """The same model for one step, with one `nn.LSTMCell` a layer. It has the weights of `model`."""

    def __init__(self, model):
        super().__init__()
        self.embedding, self.linear, lstm = model.embedding, model.linear, model.lstm
        self.cells = nn.ModuleList()
        for layer in range(lstm.num_layers):
            inputs = lstm.hidden_size if layer else lstm.input_size
            cell = nn.LSTMCell(inputs, lstm.hidden_size)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                setattr(cell, name, getattr(lstm, f"{name}_l{layer}"))
            self.cells.append(cell)

    def forward(self, tokens, states):
        x, after = self.embedding(tokens[:, 0]), []
        for cell, state in zip(self.cells, states or [None] * len(self.cells)):
            x, c = cell(x, state)
            after.append((x, c))
        return self.linear(x)[:, None], after


def train(args):
    """Truncated backpropagation through time. The state is carried from step to step."""
    torch.set_num_threads(args.threads)
    model = CharModel(args).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, fused=True)
    shape = args.layers, args.batch, args.hidden
    state = torch.zeros(shape), torch.zeros(shape)
    seconds, losses = [], []
    start = time.perf_counter()
    while len(seconds) < WARMUP_STEPS + LEAST_STEPS or time.perf_counter() - start < args.seconds:
        tokens = torch.randint(args.vocab, (args.batch, args.steps + 1))
        begin = time.perf_counter()
        logits, state = model(tokens[:, :-1], state)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        state = tuple(part.detach() for part in state)
        losses.append(loss.item())
        seconds.append(time.perf_counter() - begin)
    seconds = seconds[WARMUP_STEPS:]
    speed = args.batch * args.steps / statistics.median(seconds)
    ms = [round(second * 1000, 3) for second in seconds]
    return {"tokens_per_second": round(speed, 1), "threads": args.threads, "loss": losses[-1], "ms": ms}


@torch.inference_mode()
def sample(model, count):
    """Samples `count` tokens and returns them, with the seconds that it took."""
    token, state, tokens = torch.zeros(1, 1, dtype=torch.long), None, []
    begin = time.perf_counter()
    for _ in range(count):
        logits, state = model(token, state)
        probabilities = torch.softmax(logits[:, -1] / TEMPERATURE, dim=-1)
        token = torch.multinomial(probabilities, 1)
        tokens.append(token.item())
    return tokens, time.perf_counter() - begin


@torch.inference_mode()
def check_same(models):
    """Checks that the models give the same logits."""
    states = [None] * len(models)
    for step in range(3):
        results = [model(torch.tensor([[step]]), state) for model, state in zip(models, states)]
        states = [state for _, state in results]
        torch.testing.assert_close(results[0][0], results[1][0])


def generate(args):
    """Samples at batch 1 with `nn.LSTM` and with `nn.LSTMCell`, on one thread and on all. The fastest counts."""
    model = CharModel(args).eval()
    models = {"LSTM": model, "LSTMCell": CellModel(model).eval()}
    check_same(list(models.values()))
    runs = {(name, threads): [] for name in models for threads in sorted({1, args.threads})}
    for _ in range(ROUNDS):
        for (name, threads), speeds in runs.items():
            torch.set_num_threads(threads)
            sample(models[name], WARMUP_TOKENS)
            speeds.append(args.tokens / sample(models[name], args.tokens)[1])
    medians = {run: round(statistics.median(speeds), 1) for run, speeds in runs.items()}
    name, threads = max(medians, key=medians.get)
    tried = [{"layer": n, "threads": t, "tokens_per_second": speed} for (n, t), speed in medians.items()]
    best = {"tokens_per_second": medians[name, threads], "layer": name, "threads": threads}
    return best | {"tried": tried}


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def parsed():
    sizes = argparse.ArgumentParser(add_help=False)
    defaults = {"hidden": 512, "layers": 2, "embedding": 128, "vocab": 65, "threads": 2}
    for name, default in defaults.items():
        sizes.add_argument(f"--{name}", type=positive, default=default, help="default: %(default)s")
    parser = argparse.ArgumentParser(description="Speed of a character language model in PyTorch.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train", parents=[sizes], help="tokens per second of training")
    command.add_argument("--batch", type=positive, default=64)
    command.add_argument("--steps", type=positive, default=128)
    command.add_argument("--seconds", type=float, default=20.0)
    command.set_defaults(run=train, work="train")
    command = commands.add_parser("generate", parents=[sizes], help="tokens per second of sampling")
    command.add_argument("--tokens", type=positive, default=2000)
    command.set_defaults(run=generate, work="generate")
    return parser.parse_args()


def main():
    args = parsed()
    torch.manual_seed(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    print(json.dumps({"who": WHO, "work": args.work} | args.run(args)))


if __name__ == "__main__":
    main()
