//! The clock of freshness: it counts the time in which the machine was suspended, because a resumed virtual
//! machine must not believe itself fresh.

use std::time::Duration;

/// Time since boot, suspension included.
#[cfg(target_os = "linux")]
pub(super) fn boot_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec, which the call only fills.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
    if answer == 0 {
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    } else {
        process_time()
    }
}

/// Time since the process first asked; other systems' monotonic clocks count suspension or it goes unseen.
#[cfg(not(target_os = "linux"))]
pub(super) fn boot_time() -> Duration {
    process_time()
}

fn process_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}
