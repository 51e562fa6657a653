//! Freed memory, of a program whose allocator is mimalloc.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

/// The number of the option `purge_delay`, which the binding does not name.
const PURGE_DELAY: mi_option_t = 15;
const MINUTE: std::ffi::c_long = 60_000; // Milliseconds.

/// Makes mimalloc keep freed memory for a minute, instead of a second, before the system gets it back.
///
/// What a training step makes, it frees; and the next step makes as much again. Where that is later than memory is
/// kept, as over sequences of many thousand steps, all of it is new from the system in every step, and
/// a third of the time goes into its pages.
///
/// `MIMALLOC_PURGE_DELAY` in the environment, in milliseconds, comes first. Call this before threads begin; a program
/// that has another global allocator is not changed by it.
pub fn keep_freed_memory() {
    // SAFETY: there is such an option, and setting it writes one number, which mimalloc reads before it gives
    // memory back: whichever it finds there is a delay.
    unsafe { mi_option_set_default(PURGE_DELAY, MINUTE) };
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    const VARIABLE: &str = "MIMALLOC_PURGE_DELAY";

    /// mimalloc reads its variables once, at a process's start: this test runs itself again with one.
    #[test]
    fn freed_memory_is_kept_for_a_minute_or_as_long_as_the_environment_says() {
        keep_freed_memory();
        // SAFETY: there is such an option.
        let delay = unsafe { mi_option_get(PURGE_DELAY) };
        if let Ok(asked) = std::env::var(VARIABLE) {
            assert_eq!(delay.to_string(), asked);
            return;
        }
        assert_eq!(delay, MINUTE);
        let test = "allocator::tests::freed_memory_is_kept_for_a_minute_or_as_long_as_the_environment_says";
        let again = std::process::Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact"])
            .env(VARIABLE, "4321")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success() && said.contains("1 passed"), "{said}");
    }
}
