"""Writes decoder.json: a small encoder-decoder with attention, and what PyTorch makes of it in float64.

    pip install -r requirements.txt
    python decoder.py

writes the same file again, on the same processor bit for bit. Sizes: S = 4 source steps, T = 4 target steps, B = 3
sequences, V = 8 words in the target's vocabulary. What the file holds:

    start, end       the target's start token and end token
    source           [S, B]      the source tokens
    source_lengths   [B]
    target           [T, B]      the target tokens; the last one of a sequence is `end`
    target_lengths   [B]         with the end token
    parameters       by name, in PyTorch's layout; the LSTMs' gate order is i, f, g, o
    logits           [T, B, V]   zero past the sequence's length
    attention        [T, B, S]   the weights of the source steps; zero past the sequence's length
    loss             the mean cross entropy of all valid target steps of all sequences
    gradients        of the loss with respect to each parameter, by name

The decoder starts from the encoder's state at the last valid step. It reads `start`, then the previous target token.
Step t, with the decoder's output h, the encoder's outputs s and Luong's general score (Luong et al. 2015, equations
5 to 8; without input feeding):

    score(h, s)  = h^T W s               W = attention.weight
    weights      = softmax over the valid source steps
    c            = sum of weights * s
    attentional  = tanh(W_c [c; h])      W_c = combine.weight
    logits       = W_out attentional + b

Tokens past a length are padding and have the valid value 0. They change nothing, and the script checks that. All
parameters are exact in float32.
"""

import json
import math
import pathlib

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

EMBEDDING, HIDDEN, SOURCE_VOCABULARY, TARGET_VOCABULARY = 5, 6, 7, 8
START, END = 0, 1
SOURCE_LENGTHS, TARGET_LENGTHS = [4, 2, 3], [3, 4, 2]
BATCH = len(SOURCE_LENGTHS)


class EncoderDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.source_embedding = nn.Embedding(SOURCE_VOCABULARY, EMBEDDING)
        self.target_embedding = nn.Embedding(TARGET_VOCABULARY, EMBEDDING)
        self.encoder = nn.LSTM(EMBEDDING, HIDDEN)
        self.decoder = nn.LSTM(EMBEDDING, HIDDEN)
        self.attention = nn.Linear(HIDDEN, HIDDEN, bias=False)
        self.combine = nn.Linear(2 * HIDDEN, HIDDEN, bias=False)
        self.output = nn.Linear(HIDDEN, TARGET_VOCABULARY)
        self.double()

    def forward(self, source, source_lengths, target):
        """Returns the logits `[T, B, V]` and the weights `[T, B, S]`."""
        embedded = self.source_embedding(source)
        packed = pack_padded_sequence(embedded, source_lengths, enforce_sorted=False)
        packed, state = self.encoder(packed)
        encoded, _ = pad_packed_sequence(packed, total_length=len(source))
        previous = torch.cat([torch.full_like(target[:1], START), target[:-1]])
        outputs, _ = self.decoder(self.target_embedding(previous), state)

        scores = torch.einsum("tbh,sbh->tbs", outputs, self.attention(encoded))
        valid = torch.arange(len(source)) < torch.tensor(source_lengths)[:, None]
        weights = torch.softmax(scores.masked_fill(~valid, -math.inf), dim=-1)
        context = torch.einsum("tbs,sbh->tbh", weights, encoded)
        attentional = torch.tanh(self.combine(torch.cat([context, outputs], dim=-1)))
        return self.output(attentional), weights


def masked_loss(model, source, target):
    """Returns logits, weights and loss. Past a sequence's length, logits and weights are zero."""
    logits, weights = model(source, SOURCE_LENGTHS, target)
    valid = torch.arange(len(target))[:, None] < torch.tensor(TARGET_LENGTHS)
    loss = nn.functional.cross_entropy(logits[valid], target[valid])
    return logits * valid[..., None], weights * valid[..., None], loss


def single_losses(model, source, target):
    """The loss of each valid step, one sequence and one step at a time, without padding."""
    losses = []
    for index in range(BATCH):
        encoded, state = model.encoder(model.source_embedding(source[: SOURCE_LENGTHS[index], index]))
        token = torch.tensor([START])
        for expected in target[: TARGET_LENGTHS[index], index]:
            h, state = model.decoder(model.target_embedding(token), state)
            scores = torch.stack([h[0] @ model.attention.weight @ s for s in encoded])
            context = torch.softmax(scores, dim=0) @ encoded
            attentional = torch.tanh(model.combine.weight @ torch.cat([context, h[0]]))
            logits = model.output.weight @ attentional + model.output.bias
            losses.append(torch.logsumexp(logits, dim=0) - logits[expected])
            token = expected[None]
    return losses


def gradients(model, loss):
    names, parameters = zip(*model.named_parameters())
    return dict(zip(names, torch.autograd.grad(loss, parameters)))


def check(model, source, target, result):
    """Checks the loss and its gradients against single sequences, and against other padding."""
    losses = single_losses(model, source, target)
    others = [sum(losses) / len(losses)]
    steps = torch.arange(len(source))[:, None]
    source = torch.where(steps < torch.tensor(SOURCE_LENGTHS), source, SOURCE_VOCABULARY - 1)
    target = torch.where(steps < torch.tensor(TARGET_LENGTHS), target, TARGET_VOCABULARY - 1)
    others.append(masked_loss(model, source, target)[2])
    for other in others:
        torch.testing.assert_close(other, result["loss"], rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(gradients(model, other), result["gradients"], rtol=1e-9, atol=1e-14)


def draw_tokens(generator, lengths, first, vocabulary, end=None):
    """Random tokens `[T, B]` from `first`; a sequence ends with `end`, if there is one."""
    tokens = torch.zeros(max(lengths), len(lengths), dtype=torch.long)
    for index, length in enumerate(lengths):
        tokens[:length, index] = torch.randint(first, vocabulary, (length,), generator=generator)
        if end is not None:
            tokens[length - 1, index] = end
    return tokens


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    generator = torch.Generator().manual_seed(1)
    model = EncoderDecoder()
    for parameter in model.parameters():
        numbers = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.7
        parameter.data = numbers.float().double()
    source = draw_tokens(generator, SOURCE_LENGTHS, 0, SOURCE_VOCABULARY)
    target = draw_tokens(generator, TARGET_LENGTHS, END + 1, TARGET_VOCABULARY, END)

    logits, weights, loss = masked_loss(model, source, target)
    result = {"loss": loss, "gradients": gradients(model, loss)}
    check(model, source, target, result)
    head = {"start": START, "end": END, "source": source.tolist(), "source_lengths": SOURCE_LENGTHS}
    head |= {"target": target.tolist(), "target_lengths": TARGET_LENGTHS}
    head["parameters"] = {name: parameter.tolist() for name, parameter in model.named_parameters()}
    head |= {"logits": logits.tolist(), "attention": weights.tolist(), "loss": loss.item()}
    head["gradients"] = {name: gradient.tolist() for name, gradient in result["gradients"].items()}
    file = pathlib.Path(__file__).parent / "decoder.json"
    file.write_text(json.dumps(head, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
