//! Sound files and raw samples, whole or in chunks.
