"""Speed of GRU4Rec in PyTorch on the CPU: training on parallel sessions, and recommendation.

    gru4rec.py --mode train --items 20000 --samples 2048 --window 1 --seconds 10 --threads 2
    gru4rec.py --mode serve --items 100000 --threads 2

The model is one table of items, which is both the embedding and the output layer, a GRU layer and a bias for each
item. The loss is BPR-max (Hidasi and Karatzoglou, "Recurrent Neural Networks with Top-k Gains for Session-based
Recommendations", 2018). The negatives of an event are the other targets of its step and sampled items that the batch
shares. Adagrad updates only the rows of the table that a step has used. `--window` is the number of time steps for
one step of the optimizer; the original has 1. The events are random: the speed does not depend on them.

Each command prints one JSON object. `events_per_second` or `microseconds` is the result. `train` tries each way to
hold the table that `--tables` names, with and without `torch.compile`; the fastest counts. `torch.compile` needs a
C++ compiler.
"""

import argparse
import json
import os
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

HIDDEN, BATCH, TOP = 128, 128, 10
LEAST_STEPS, DATA_STEPS = 20, 4096
PAIRS = 5  # pairs of input and target in a session of the mean length, 6 events
POWER = 0.75  # of the popularity, for samples
PENALTY = 1.0  # of BPR-max
RATE, EPSILON = 0.05, 1e-10
WHO = "pytorch " + torch.__version__.split("+")[0]


class Network(nn.Module):
    """The GRU layer, the scores and the loss. `B` sessions, `T` steps, `S` samples, `E` is the hidden size."""

    def __init__(self, layer):
        super().__init__()
        self.cell = nn.GRUCell(HIDDEN, HIDDEN) if layer == "cell" else None
        self.gru = nn.GRU(HIDDEN, HIDDEN) if layer == "gru" else None

    def outputs(self, x, hidden, keep):
        """`x` is `[T, B, E]`. `keep` is `[T, B, 1]`, with a zero where a session starts.

        `nn.GRU` cannot clear a state within a window: it does so at the window's start only.
        """
        if self.gru is not None:
            return self.gru(x, (hidden * keep[0])[None])[0]
        states = []
        for t in range(len(x)):
            hidden = self.cell(x[t], hidden * keep[t])
            states.append(hidden)
        return torch.stack(states)

    def forward(self, weights, biases, hidden, keep):
        """`weights` is `[2 T B + S, E]`: rows of inputs, targets, samples. `biases` is `[T B + S]`, without inputs."""
        steps, size = keep.shape[0], keep.shape[0] * BATCH
        h = self.outputs(weights[:size].view(steps, BATCH, HIDDEN), hidden, keep)
        if steps == 1:
            scores = torch.addmm(biases, h[0], weights[size:].t())[None]
        else:
            targets = weights[size : 2 * size].view(steps, BATCH, HIDDEN)
            batch = torch.baddbmm(biases[:size].view(steps, 1, BATCH), h, targets.transpose(1, 2))
            sampled = torch.addmm(biases[size:], h.flatten(0, 1), weights[2 * size :].t())
            scores = torch.cat([batch, sampled.view(steps, BATCH, -1)], dim=-1)
        return bpr_max(scores), h[-1]


def bpr_max(scores):
    """`scores` is `[T, B, B + S]`. The target of session `b` is in column `b`, all other columns are negatives."""
    own = torch.eye(BATCH, scores.shape[-1], dtype=torch.bool)
    target = scores.diagonal(dim1=1, dim2=2)[..., None]
    share = torch.softmax(scores.masked_fill(own, float("-inf")), dim=-1)
    likely = (share * torch.sigmoid(target - scores)).sum(-1)
    penalty = (share * scores.square()).sum(-1)
    return (PENALTY * penalty - torch.log(likely + 1e-24)).mean()


class Rows:
    """Tables with Adagrad by hand: a step gathers each row that it needs once, and updates it once."""

    def __init__(self, items):
        self.tables = [initial(items), torch.zeros(items, 1)]
        self.squares = [torch.zeros_like(table) for table in self.tables]
        self.position = torch.empty(items, dtype=torch.long)

    def gather(self, index, outputs):
        used = torch.zeros(len(self.position), dtype=torch.bool)
        used[index] = True
        self.rows = used.nonzero()[:, 0]
        self.position[self.rows] = torch.arange(len(self.rows))
        places = self.position[index]
        self.leaves = [table.index_select(0, self.rows).requires_grad_() for table in self.tables]
        weights, biases = self.leaves
        return functional.embedding(places, weights), functional.embedding(places[outputs:], biases)[:, 0]

    @torch.no_grad()
    def update(self):
        for table, squares, leaf in zip(self.tables, self.squares, self.leaves):
            square = squares.index_select(0, self.rows).addcmul_(leaf.grad, leaf.grad)
            squares[self.rows] = square
            table[self.rows] = leaf.addcdiv_(leaf.grad, square.sqrt_().add_(EPSILON), value=-RATE)


class Embeddings:
    """Tables as `nn.Embedding` with sparse gradients, and PyTorch's Adagrad."""

    def __init__(self, items):
        self.weights = nn.Embedding.from_pretrained(initial(items), freeze=False, sparse=True)
        self.biases = nn.Embedding.from_pretrained(torch.zeros(items, 1), freeze=False, sparse=True)
        parameters = self.weights.weight, self.biases.weight
        self.optimizer = torch.optim.Adagrad(parameters, lr=RATE, eps=EPSILON)

    def gather(self, index, outputs):
        self.optimizer.zero_grad(set_to_none=True)
        return self.weights(index), self.biases(index[outputs:])[:, 0]

    def update(self):
        self.optimizer.step()


TABLES = {"rows": Rows, "embedding": Embeddings}


def initial(items):
    bound = (6 / (items + HIDDEN)) ** 0.5
    return torch.empty(items, HIDDEN).uniform_(-bound, bound)


class Events:
    """Random sessions side by side. The items have Zipf's distribution with exponent 1, in random order."""

    def __init__(self, items, samples, window):
        popularity = 1.0 / torch.arange(1, items + 1, dtype=torch.float64)
        popularity = popularity[torch.randperm(items)]
        steps = max(DATA_STEPS // window, 1)
        self.shape, self.samples = (steps, window, BATCH), samples
        size = steps * window * BATCH
        targets = draw(cumulative(popularity), size).view(-1, BATCH)
        starts = torch.rand(targets.shape) < 1 / PAIRS
        starts[0] = True
        fresh = draw(cumulative(popularity), size).view(-1, BATCH)
        inputs = torch.where(starts, fresh, targets.roll(1, 0))
        self.inputs, self.targets = inputs.view(self.shape), targets.view(self.shape)
        self.keep = (~starts).float().view(*self.shape, 1)
        self.cumulative = cumulative(popularity.pow(POWER))

    def step(self, number):
        """The rows of inputs, targets and samples, one after the other, and where sessions go on."""
        at = number % self.shape[0]
        sampled = draw(self.cumulative, self.samples)
        return torch.cat([self.inputs[at].flatten(), self.targets[at].flatten(), sampled]), self.keep[at]


def cumulative(weights):
    return weights.cumsum(0) / weights.sum()


def draw(cumulative, count):
    found = torch.searchsorted(cumulative, torch.rand(count, dtype=torch.float64))
    return found.clamp_(max=len(cumulative) - 1)


def trained(args, name, compiled):
    """Events per second, the median over the steps after a warm-up, and the last loss."""
    torch.manual_seed(1)
    events = Events(args.items, args.samples, args.window)
    network, tables = Network(args.layer), TABLES[name](args.items)
    optimizer = torch.optim.Adagrad(network.parameters(), lr=RATE, eps=EPSILON, fused=True)
    loss_of = torch.compile(network, dynamic=False) if compiled else network
    size = args.window * BATCH
    hidden, seconds, warm = torch.zeros(BATCH, HIDDEN), [], None
    begin = start = time.perf_counter()
    while len(seconds) < 2 * LEAST_STEPS or begin - warm < args.seconds:
        begin = time.perf_counter()
        index, keep = events.step(len(seconds))
        weights, biases = tables.gather(index, size)
        loss, hidden = loss_of(weights, biases, hidden, keep)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        tables.update()
        hidden = hidden.detach()
        last = loss.item()
        seconds.append(time.perf_counter() - begin)
        if len(seconds) == LEAST_STEPS:
            warm = time.perf_counter()
    speed = size / statistics.median(seconds[LEAST_STEPS:])
    return {"events_per_second": round(speed, 1), "steps": len(seconds) - LEAST_STEPS, "loss": round(last, 6)}


def train(args):
    """Tries the ways to hold the table, with and without compilation. The fastest counts."""
    tried = []
    for compiled in {"no": [False], "yes": [True], "both": [False, True]}[args.compile]:
        for name in args.tables:
            tried.append({"tables": name, "compiled": compiled} | trained(args, name, compiled))
    best = max(tried, key=lambda run: run["events_per_second"])
    sizes = {"samples": args.samples, "window": args.window, "layer": args.layer, "batch": BATCH}
    return best | sizes | {"tried": tried}


@torch.inference_mode()
def serve(args):
    """Microseconds for one event of one session: the GRU step, the scores of all items and the ten best."""
    table, biases, cell = initial(args.items), torch.zeros(args.items), nn.GRUCell(HIDDEN, HIDDEN)
    tried = []
    for threads in sorted({1, args.threads}):
        torch.set_num_threads(threads)
        hidden, seconds = torch.zeros(1, HIDDEN), []
        items = torch.randint(args.items, (DATA_STEPS,)).tolist()
        start = time.perf_counter()
        while len(seconds) < 2 * LEAST_STEPS or time.perf_counter() - start < args.seconds:
            item = items[len(seconds) % DATA_STEPS]
            begin = time.perf_counter()
            hidden = cell(table[item : item + 1], hidden)
            torch.topk(torch.addmv(biases, table, hidden[0]), TOP).indices.tolist()
            seconds.append(time.perf_counter() - begin)
        tried.append({"threads": threads, "microseconds": round(1e6 * statistics.median(seconds[LEAST_STEPS:]), 1)})
    return min(tried, key=lambda run: run["microseconds"]) | {"tried": tried}


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def parsed():
    parser = argparse.ArgumentParser(description="Speed of GRU4Rec in PyTorch.")
    parser.add_argument("--mode", choices=["train", "serve"], default="train", help="default: %(default)s")
    parser.add_argument("--items", type=positive, help="default: 20000 for train, 100000 for serve")
    parser.add_argument("--samples", type=positive, default=2048, help="default: %(default)s")
    parser.add_argument("--window", type=positive, default=1, help="time steps; default: %(default)s")
    parser.add_argument("--layer", choices=["cell", "gru"], default="cell",
                        help="GRUCell, or GRU, which does not clear states within a window; default: %(default)s")
    parser.add_argument("--tables", choices=list(TABLES), nargs="+", default=list(TABLES), help="default: all")
    parser.add_argument("--compile", choices=["no", "yes", "both"], default="both", help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run; default: %(default)s")
    parser.add_argument("--threads", type=positive, default=2, help="default: %(default)s")
    args = parser.parse_args()
    args.items = args.items or {"train": 20_000, "serve": 100_000}[args.mode]
    return args


def main():
    args = parsed()
    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    found = {"train": train, "serve": serve}[args.mode](args)
    about = {"who": WHO, "work": f"gru4rec-{args.mode}", "threads": args.threads, "items": args.items, "hidden": HIDDEN}
    print(json.dumps(about | found))


if __name__ == "__main__":
    main()
