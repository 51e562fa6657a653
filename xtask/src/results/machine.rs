//! The machine that a run was trained on, in words.

use std::{env, fs, thread};

/// This machine: its processor, the threads that a training uses, and the instruction set, for instance
/// `AMD EPYC 7B13, 2 threads, AVX2`.
pub(super) fn describe() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").ok();
    let processor = processor.as_deref().and_then(model_name).unwrap_or(env::consts::ARCH);
    let threads = match threads() {
        1 => "1 thread".into(),
        threads => format!("{threads} threads"),
    };
    format!("{processor}, {threads}, {}", instruction_set())
}

/// The name of the first processor in the text of `/proc/cpuinfo`.
fn model_name(text: &str) -> Option<&str> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let mut names = fields.filter(|(field, _)| field.trim() == "model name");
    names.next().map(|(_, name)| name.trim()).filter(|name| !name.is_empty())
}

/// As many as the variables of Candle and rayon say, else as the machine has.
fn threads() -> usize {
    let set = |name| env::var(name).ok()?.parse().ok().filter(|threads| *threads > 0);
    let set = ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"].into_iter().find_map(set);
    set.or_else(|| thread::available_parallelism().ok().map(Into::into)).unwrap_or(1)
}

/// The one that the kernels choose: what `FGN_ISA` forces, else the widest of this machine.
fn instruction_set() -> String {
    match env::var("FGN_ISA") {
        Ok(forced) => format!("{forced} (forced)"),
        Err(_) => widest().into(),
    }
}

#[cfg(target_arch = "x86_64")]
fn widest() -> &'static str {
    let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let has_avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    match (has_avx2, has_avx512) {
        (true, true) => "AVX-512",
        (true, false) => "AVX2",
        (false, _) => "portable",
    }
}

#[cfg(target_arch = "aarch64")]
fn widest() -> &'static str {
    "NEON"
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn widest() -> &'static str {
    "portable"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_the_first_of_the_list() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 7B13\nflags : a\n\nmodel name : other\n";
        assert_eq!(model_name(text), Some("AMD EPYC 7B13"));
        assert_eq!(model_name("processor : 0\nmodel name :\n"), None);
    }

    #[test]
    fn a_description_has_three_parts() {
        let text = describe();
        assert!(text.contains(" thread"), "{text}");
        assert!(text.split(", ").count() >= 3, "{text}");
    }
}
