"""Writes features.json: short signals, and what librosa, torchaudio and NumPy make of them in float64.

    pip install librosa==0.11.0 torch torchaudio==2.11.1
    python features.py

What the file holds:

    signals        name -> [samples]: integers, to be divided by 32768
    filter_banks   config, values: [n_mels, n_fft / 2 + 1], librosa.filters.mel
    cases          signal, config, values: [T, size], row by row

A config is a `FeaturesConfig` as JSON, with `sample_rate` as one more key. Of its keys, `win_length`, `hop_length` and `n_fft` are computed here as
documented where they are left out. All spectra have center=False.

    mel             librosa.feature.melspectrogram
    log-mel         ln(mel + log_offset)
    pcen            librosa.pcen of mel
    mfcc            torchaudio.transforms.MFCC with log_mels=True, whose offset is 1e-6
    deltas          torchaudio.functional.compute_deltas with its defaults
    normalization   the definitions, in NumPy
    stack           a reshape, after the last row was repeated
"""

import json
import pathlib

import librosa
import numpy as np
import torch
import torchaudio

PATH = pathlib.Path(__file__).with_name("features.json")
MIN_STD = 1e-5


def signal(rate, count, seed):
    """Noise and two tones, the last third 40 dB quieter, as 16-bit integers."""
    generator = np.random.default_rng(seed)
    seconds = np.arange(count) / rate
    tones = 0.3 * np.sin(2 * np.pi * 440 * seconds) + 0.1 * np.sin(2 * np.pi * 0.31 * rate * seconds)
    mixed = tones + 0.05 * generator.standard_normal(count)
    mixed[2 * count // 3 :] *= 0.01
    return np.round(mixed * 32768).astype(int)


def sizes(config):
    rate = config["sample_rate"]
    win_length = config.get("win_length", (rate * 25 + 500) // 1000)
    hop_length = config.get("hop_length", (rate * 10 + 500) // 1000)
    n_fft = config.get("n_fft", 1 << (win_length - 1).bit_length())
    return win_length, hop_length, n_fft


def bands(config):
    """The arguments of librosa's mel bands."""
    return {
        "n_mels": config.get("n_mels", 40),
        "fmin": config.get("f_min", 0.0),
        "fmax": config.get("f_max"),
        "htk": config.get("mel_scale", "htk") == "htk",
        "norm": "slaney" if config.get("norm") == "slaney" else None,
    }


def filter_bank(config):
    _, _, n_fft = sizes(config)
    return librosa.filters.mel(sr=config["sample_rate"], n_fft=n_fft, dtype=np.float64, **bands(config))


def mel(config, samples):
    """[n_mels, T]"""
    win_length, hop_length, n_fft = sizes(config)
    return librosa.feature.melspectrogram(
        y=samples, sr=config["sample_rate"], n_fft=n_fft, win_length=win_length, hop_length=hop_length,
        center=False, power=2.0, dtype=np.float64, **bands(config),
    )


def log_mel(config, samples):
    return np.log(mel(config, samples) + config.get("log_offset", 1e-6))


def pcen(config, samples):
    _, hop_length, _ = sizes(config)
    return librosa.pcen(mel(config, samples), sr=config["sample_rate"], hop_length=hop_length, **config.get("pcen", {}))


def mfcc(config, samples):
    win_length, hop_length, n_fft = sizes(config)
    arguments = bands(config)
    transform = torchaudio.transforms.MFCC(
        config["sample_rate"], config.get("n_mfcc", 13), log_mels=True,
        melkwargs={
            "n_fft": n_fft, "win_length": win_length, "hop_length": hop_length, "center": False,
            "n_mels": arguments["n_mels"], "f_min": arguments["fmin"], "f_max": arguments["fmax"],
            "norm": arguments["norm"], "mel_scale": config.get("mel_scale", "htk"),
        },
    )
    return transform.double()(torch.from_numpy(samples)).numpy()


def with_deltas(config, rows):
    parts = [torch.from_numpy(rows)]
    for _ in range(config.get("deltas", 0)):
        parts.append(torchaudio.functional.compute_deltas(parts[-1]))
    return torch.cat(parts).numpy()


def normalized(config, rows):
    """rows: [T, columns]"""
    kind = config.get("normalization", "none")
    if kind == "none":
        return rows
    if kind == "utterance":
        return (rows - rows.mean(0)) / np.maximum(rows.std(0), MIN_STD)
    _, hop_length, _ = sizes(config)
    seconds = hop_length / config["sample_rate"]
    output = []
    for t in range(len(rows)):
        ages = (t - np.arange(t + 1)) * seconds
        weights = np.exp(-ages / kind["running"]["time_constant"])[:, None]
        weights /= weights.sum()
        mean = (weights * rows[: t + 1]).sum(0)
        std = np.sqrt((weights * (rows[: t + 1] - mean) ** 2).sum(0))
        output.append((rows[t] - mean) / np.maximum(std, MIN_STD))
    return np.array(output)


def stacked(config, rows):
    count = config.get("stack", 1)
    missing = -len(rows) % count
    rows = np.concatenate([rows, np.repeat(rows[-1:], missing, 0)])
    return rows.reshape(len(rows) // count, -1)


KINDS = {"mel": mel, "log-mel": log_mel, "pcen": pcen, "mfcc": mfcc}


def features(config, samples):
    rows = KINDS[config.get("features", "log-mel")](config, samples)
    rows = normalized(config, with_deltas(config, rows).T)
    return stacked(config, rows)


def written(values):
    return [float(f"{value:.7g}") if value else 0 for value in np.asarray(values).ravel()]


SIGNALS = {
    "8k": signal(8000, 2200, 1),
    "16k": signal(16000, 4400, 2),
    "short": signal(16000, 900, 3),
}
FILTER_BANKS = [
    {"sample_rate": 8000, "n_mels": 23},
    {"sample_rate": 8000, "n_mels": 23, "norm": "slaney"},
    {"sample_rate": 8000, "n_mels": 23, "mel_scale": "slaney"},
    {"sample_rate": 16000, "n_mels": 20, "mel_scale": "slaney", "norm": "slaney", "f_min": 125.0, "f_max": 7500.0},
    {"sample_rate": 11025, "n_mels": 20},
]
CASES = [
    ("8k", {"sample_rate": 8000, "features": "mel"}),
    ("16k", {"sample_rate": 16000, "features": "mel", "n_mels": 32, "mel_scale": "slaney", "norm": "slaney",
             "n_fft": 450, "win_length": 401, "hop_length": 173, "f_min": 60.0, "f_max": 7600.0}),
    ("16k", {"sample_rate": 16000}),
    ("8k", {"sample_rate": 8000, "features": "log-mel", "log_offset": 0.01, "stack": 3}),
    ("8k", {"sample_rate": 8000, "features": "pcen", "n_mels": 24}),
    ("16k", {"sample_rate": 16000, "features": "pcen", "n_mels": 24,
             "pcen": {"time_constant": 0.06, "gain": 0.8, "bias": 10.0, "power": 0.25, "eps": 1e-3}}),
    ("16k", {"sample_rate": 16000, "features": "pcen", "n_mels": 8, "pcen": {"bias": 0.0}}),
    ("16k", {"sample_rate": 16000, "features": "mfcc"}),
    ("8k", {"sample_rate": 8000, "features": "mfcc", "n_mels": 30, "n_mfcc": 8, "mel_scale": "slaney",
            "norm": "slaney", "deltas": 2}),
    ("short", {"sample_rate": 16000, "features": "mfcc", "n_mfcc": 5, "deltas": 2}),
    ("short", {"sample_rate": 16000, "n_mels": 8, "deltas": 1, "stack": 2}),
    ("8k", {"sample_rate": 8000, "n_mels": 12, "deltas": 1, "normalization": "utterance", "stack": 2}),
    ("16k", {"sample_rate": 16000, "n_mels": 12, "normalization": {"running": {"time_constant": 0.1}}}),
]


def main():
    banks = [{"config": config, "values": written(filter_bank(config))} for config in FILTER_BANKS]
    cases = []
    for name, config in CASES:
        values = features(config, SIGNALS[name] / 32768.0)
        cases.append({"signal": name, "config": config, "values": written(values)})
    signals = {name: samples.tolist() for name, samples in SIGNALS.items()}
    golden = {"signals": signals, "filter_banks": banks, "cases": cases}
    PATH.write_text(json.dumps(golden, separators=(",", ":")).replace('{"', '\n{"') + "\n")


if __name__ == "__main__":
    main()
