//! From one sample rate to another.
