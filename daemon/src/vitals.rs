//! How the program and its board are, for whoever looks after many terminals. Read now and then, and never acted on.

use std::fs;

use doorward_core::centre::Vitals;

/// The kernel's account of this process.
const STATUS: &str = "/proc/self/status";
/// The board's first sensor, which on usual boards is the processor's.
const THERMOMETER: &str = "/sys/class/thermal/thermal_zone0/temp";

/// What the store told of itself, with what the kernel tells.
#[must_use]
pub fn complete(told: Vitals) -> Vitals {
    let memory_kib = fs::read_to_string(STATUS).ok().and_then(|status| resident_kib(&status));
    let temperature_mc = fs::read_to_string(THERMOMETER).ok().and_then(|text| text.trim().parse().ok());
    Vitals { memory_kib, temperature_mc, ..told }
}

/// Resident memory in the kernel's words (proc(5), `VmRSS`).
fn resident_kib(status: &str) -> Option<u64> {
    let row = status.lines().find_map(|row| row.strip_prefix("VmRSS:"))?;
    row.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_how_much_memory_the_process_takes() {
        let status = "Name:\tdoord\nVmPeak:\t  90000 kB\nVmRSS:\t   55320 kB\nThreads:\t12\n";
        assert_eq!(resident_kib(status), Some(55_320));
        for other in ["", "VmRSS:", "VmRSS: many kB", "VmPeak: 1 kB"] {
            assert_eq!(resident_kib(other), None, "{other}");
        }
        assert!(complete(Vitals::default()).memory_kib.is_some_and(|kib| kib > 100));
    }
}
