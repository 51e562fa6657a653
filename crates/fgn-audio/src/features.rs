//! Frames, STFT, mel filter banks, logarithm or PCEN, MFCC, of whole signals and in streams.
