//! A server under measurement: started, found, asked for what it used, stopped.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A broker under load.
#[derive(Clone, Copy, Debug)]
pub struct Broker {
    pub name: &'static str,
    pub address: SocketAddr,
    pub pid: u32,
}

/// A running server process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it speaks AMQP, if it was asked to.
    pub amqp: Option<SocketAddr>,
    /// Where it speaks Kafka's protocol, if it was asked to.
    pub kafka: Option<SocketAddr>,
    /// The same inside TLS.
    pub kafkas: Option<SocketAddr>,
    /// From the start of the process to its ready line.
    pub ready_after: Duration,
}

impl Process {
    /// The broker on a data directory.
    pub fn broker(data: &Path) -> Process {
        Process::broker_with(data, &["--kafka", "127.0.0.1:0", "--amqp", "off"])
    }

    /// The broker on a data directory, with its AMQP door open.
    pub fn amqp_broker(data: &Path) -> Process {
        Process::broker_with(data, &["--kafka", "off", "--amqp", "127.0.0.1:0"])
    }

    /// The broker with its Kafka door open twice, the second time with a certificate for `localhost` of a CA that is made
    /// in a folder.
    pub fn secured_broker(data: &Path, pki: &Path) -> Process {
        Process::secured_with(data, pki, &[])
    }

    /// The same where everybody has to log in; the only user is `alice`.
    pub fn guarded_broker(data: &Path, pki: &Path, password: &str) -> Process {
        let file = data.with_extension("password");
        std::fs::write(&file, password).expect("a file");
        let file = format!("auth.admin_password_file={}", file.display());
        Process::secured_with(data, pki, &["--set", "auth.admin_user=alice", "--set", &file])
    }

    fn secured_with(data: &Path, pki: &Path, more: &[&str]) -> Process {
        let folder = pki.display().to_string();
        for words in [&["ca"][..], &["server", "localhost"]] {
            let mut command = Command::new(binary("sluice"));
            let made =
                command.arg("certs").args(words).args(["--dir", &folder]).stdout(Stdio::null()).status();
            assert!(made.is_ok_and(|status| status.success()), "certificates are made");
        }
        let (cert, key) =
            (format!("tls.cert_file={folder}/server.pem"), format!("tls.key_file={folder}/server.key"));
        let doors = ["--kafka", "127.0.0.1:0", "--amqp", "off", "--set", "kafka.tls_addr=127.0.0.1:0"];
        Process::broker_with(data, &[&doors[..], &["--set", &cert, "--set", &key], more].concat())
    }

    fn broker_with(data: &Path, doors: &[&str]) -> Process {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(data.with_extension("log"));
        let mut command = Command::new(binary("sluice"));
        command
            .arg("serve")
            .args(doors)
            .args(["--http", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .stderr(log.map_or_else(|_| Stdio::null(), Stdio::from));
        Process::start(command)
    }

    /// The bare server: the same axum with handlers that do nothing.
    pub fn bare(scratch: &Path) -> Process {
        let mut command = Command::new(binary("bench-bare"));
        command.arg(scratch).stderr(Stdio::inherit());
        Process::start(command)
    }

    fn start(mut command: Command) -> Process {
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server's binary is built");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        let (mut amqp, mut kafka, mut kafkas) = (None, None, None);
        let address = loop {
            line.clear();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                panic!("the server ended before it was ready: {:?}", child.wait());
            }
            if let Some((_, address)) = line.trim_end().split_once("listens: amqp://") {
                amqp = address.parse().ok();
            }
            if let Some((_, address)) = line.trim_end().split_once("listens: kafka://") {
                kafka = address.parse().ok();
            }
            if let Some((_, address)) = line.trim_end().split_once("listens: kafkas://") {
                kafkas = address.parse().ok();
            }
            if let Some((_, address)) = line.trim_end().split_once("is ready: http://") {
                break address.parse().expect("an address");
            }
        };
        let ready_after = began.elapsed();
        // Keep reading so that the server never blocks on its standard output.
        std::thread::spawn(move || {
            let mut sink = String::new();
            while lines.read_line(&mut sink).is_ok_and(|read| read > 0) {
                sink.clear();
            }
        });
        Process { child, address, amqp, kafka, kafkas, ready_after }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU seconds used so far, all threads.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds_of(self.child.id())
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        resident_of(self.child.id())
    }

    /// Files that it holds open whose path has this part.
    pub fn open_files_below(&self, part: &str) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).into_iter().flatten().flatten();
        let paths = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        paths.filter(|path| path.to_string_lossy().contains(part)).count()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.end();
    }

    /// Ends it in good order.
    pub fn stop(mut self) {
        let _ = Command::new("kill").arg(self.pid().to_string()).status();
        let _ = self.child.wait();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Resident memory of a process, in bytes.
pub fn resident_of(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

/// CPU seconds that a process used so far, all threads.
pub fn cpu_seconds_of(pid: u32) -> f64 {
    cpu_seconds_in(&std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default())
}

/// What each thread of a process used so far.
pub struct ThreadTimes(HashMap<OsString, f64>);

impl ThreadTimes {
    /// Looks now.
    pub fn of(pid: u32) -> ThreadTimes {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let used = |path: PathBuf| cpu_seconds_in(&std::fs::read_to_string(path).unwrap_or_default());
        ThreadTimes(threads.map(|thread| (thread.file_name(), used(thread.path().join("stat")))).collect())
    }

    /// CPU seconds of the thread that used most since an earlier look.
    pub fn busiest_since(&self, earlier: &ThreadTimes) -> f64 {
        let since = self.0.iter().map(|(thread, used)| used - earlier.0.get(thread).unwrap_or(&0.0));
        since.fold(0.0, f64::max)
    }
}

/// User and system time in what `/proc` says of a process or thread.
fn cpu_seconds_in(stat: &str) -> f64 {
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// A binary of the same build as this one.
fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this program knows its own path");
    let path = own.with_file_name(name);
    assert!(path.exists(), "{} is missing: run `cargo build --release`", path.display());
    path
}

/// A directory that is emptied when it is made and removed when it is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Under `BENCH_DIR`, or beside the build's output.
    pub fn new(name: &str) -> Scratch {
        let base = std::env::var_os("BENCH_DIR").map_or_else(
            || std::env::current_exe().expect("a path").with_file_name("bench-data"),
            PathBuf::from,
        );
        let path = base.join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Scratch(path)
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
