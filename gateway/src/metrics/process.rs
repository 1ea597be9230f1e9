//! What the kernel says of the process.

/// Bytes of memory that the process holds: the second figure of `/proc/self/statm` counts pages of 4 KiB.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split(' ').nth(1)?.parse::<u64>().ok()?.checked_mul(4096)
}

/// How many files and sockets are open.
#[must_use]
pub fn open_files() -> Option<u64> {
    // The directory is open itself while it is read.
    std::fs::read_dir("/proc/self/fd").ok().map(|entries| (entries.count() as u64).saturating_sub(1))
}

/// How many may be.
#[must_use]
pub fn open_files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_memory_and_files() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
        let open = open_files().unwrap();
        assert!(open >= 3 && open_files_max().is_none_or(|most| open <= most), "{open}");
    }
}
