//! What the kernel says of the process.

/// Bytes of memory that the process holds: the second figure of `/proc/self/statm` counts pages of 4 KiB.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split(' ').nth(1)?.parse::<u64>().ok()?.checked_mul(4096)
}

/// Bytes of memory that the process may have: the machine's, or those of its cgroup if they are fewer.
#[must_use]
pub fn machine_bytes() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let total = total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)?;
    let cgroup = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit = cgroup.and_then(|text| text.trim().parse().ok());
    Some(limit.map_or(total, |limit: u64| limit.min(total)))
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
        let held = resident_bytes().unwrap();
        assert!(held > 1 << 20 && machine_bytes().is_some_and(|machine| held < machine));
        let open = open_files().unwrap();
        assert!(open >= 3 && open_files_max().is_none_or(|most| open <= most), "{open}");
    }
}
