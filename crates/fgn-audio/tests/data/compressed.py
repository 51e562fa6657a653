"""Writes the files that tests/compressed.rs reads.

    mono, stereo   a tone of 440 Hz, of 0.2 s at 8 kHz, in 16 bits; the second channel is half as loud as the first
    opus.ogg       the same tone by a codec that is not read
    long.flac      1.2 s of a quiet tone, in several frames
    long.ogg       50 s of silence, in several pages

    pip install numpy soundfile    # libsndfile 1.2 or later, which writes MP3
    python3 compressed.py
"""

import os

import numpy as np
import soundfile

RATE = 8_000
FLAC, MP3 = ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")
VORBIS, OPUS = ("OGG", "VORBIS"), ("OGG", "OPUS")


def write(name, samples, codec):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    # libsndfile 1.2.2 damages MP3 of two channels that it is given in 16 bits.
    samples = np.round(samples).astype(np.int32) << 16
    soundfile.write(path, samples, RATE, format=codec[0], subtype=codec[1])


def tone(seconds, amplitude):
    return amplitude * np.sin(2 * np.pi * 440 * np.arange(int(RATE * seconds)) / RATE)


mono = np.round(tone(0.2, 16_000))
stereo = np.stack([mono, mono // 2], axis=1)
for ending, codec in [("flac", FLAC), ("ogg", VORBIS), ("mp3", MP3)]:
    write(f"mono.{ending}", mono, codec)
    write(f"stereo.{ending}", stereo, codec)
write("opus.ogg", mono, OPUS)
write("long.flac", tone(1.2, 100), FLAC)
write("long.ogg", np.zeros(50 * RATE), VORBIS)
