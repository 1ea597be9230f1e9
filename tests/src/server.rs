//! The real binary as a child process: started on its own data directory, killed, drained, started again.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, mpsc};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal, test_kill_process};

use crate::checkout;
use crate::deadline::until_blocking;
use crate::http::Http;

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// Further arguments after `serve`.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Lines of the configuration file, when there are any.
    pub config: String,
    /// The data directory; a fresh one when `None`.
    pub dir: Option<PathBuf>,
}

impl Launch {
    /// Sizes far below the defaults, unless the test chooses its own: many servers run at once, and small segments are
    /// filled, settled and recycled by little data.
    fn small_sizes(&self) -> Vec<(&'static str, &'static str)> {
        let small = [
            ("segment_bytes", "SLUICE_STORAGE_SEGMENT_BYTES", "4MiB"),
            ("message_bytes", "SLUICE_LIMITS_MESSAGE_BYTES", "1MiB"),
            ("settle_bytes", "SLUICE_LOG_SETTLE_BYTES", "1MiB"),
        ];
        small
            .into_iter()
            .filter(|(key, ..)| !self.config.contains(key))
            .map(|(_, name, value)| (name, value))
            .collect()
    }

    /// A start with these lines in its configuration file.
    #[must_use]
    pub fn with_config(config: &str) -> Launch {
        Launch { config: config.to_owned(), ..Launch::default() }
    }
}

/// A running server and its data directory. Dropping it kills the one and removes the other.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    home: PathBuf,
    base: String,
    amqp: String,
    kafka: String,
    child: Option<Child>,
    starts: u32,
}

impl Server {
    /// A server of its own, on an empty data directory.
    #[must_use]
    pub fn start() -> Server {
        Server::launch(Launch::default())
    }

    /// A server of its own, started in a particular way.
    #[must_use]
    pub fn launch(launch: Launch) -> Server {
        let mut server = Server::prepare(launch);
        server.run();
        server
    }

    /// Everything but the start itself.
    #[must_use]
    pub fn prepare(launch: Launch) -> Server {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        forget_the_dead();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let home = checkout::scratch().join(format!("{}-{number}", std::process::id()));
        std::fs::create_dir_all(&home).expect("a scratch directory");
        Server {
            launch,
            home,
            base: String::new(),
            amqp: String::new(),
            kafka: String::new(),
            child: None,
            starts: 0,
        }
    }

    /// The server that tests share which neither stop it nor count what is in it.
    pub fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Server::start)
    }

    /// A name that no other test uses.
    #[must_use]
    pub fn name(&self, stem: &str) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        format!("{stem}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A client of its HTTP door.
    #[must_use]
    pub fn http(&self) -> Http {
        Http::new(self.base.clone())
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Where AMQP clients connect: `127.0.0.1:PORT`.
    #[must_use]
    pub fn amqp(&self) -> &str {
        &self.amqp
    }

    /// `127.0.0.1:PORT` of the Kafka door.
    #[must_use]
    pub fn kafka(&self) -> &str {
        &self.kafka
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).expect("the server runs")
    }

    /// Where it keeps its data.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.launch.dir.clone().unwrap_or_else(|| self.home.join("data"))
    }

    /// What it wrote to its log since the last start.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Starts it (again) on its data directory and waits until it says that it is ready.
    pub fn run(&mut self) {
        match self.try_run() {
            Ok(()) => {}
            Err(why) => panic!("the server did not start: {why}\n{}", self.log()),
        }
    }

    /// [`Server::run`] for a start that may be refused; the error is what the process said.
    pub fn try_run(&mut self) -> Result<(), String> {
        assert!(self.child.is_none(), "it already runs");
        self.starts += 1;
        let log = File::create(self.log_path()).map_err(|error| error.to_string())?;
        let mut command = Command::new(checkout::sluice());
        command
            .arg("serve")
            .args(["--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--amqp", "127.0.0.1:0", "--data-dir"])
            .arg(self.data_dir())
            .args(&self.launch.args)
            .envs(self.launch.small_sizes())
            .envs(self.launch.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        if !self.launch.config.is_empty() {
            let file = self.home.join("sluice.toml");
            std::fs::write(&file, &self.launch.config).map_err(|error| error.to_string())?;
            command.arg("--config").arg(file);
        }
        let mut child = spawn(command).map_err(|error| error.to_string())?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, ready) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let mut line = String::new();
            let mut amqp = String::new();
            let mut kafka = String::new();
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                if let Some((_, address)) = line.trim_end().split_once("sluice listens: kafka://") {
                    address.clone_into(&mut kafka);
                }
                if let Some((_, address)) = line.trim_end().split_once("sluice listens: amqp://") {
                    address.clone_into(&mut amqp);
                }
                if let Some((_, base)) = line.trim_end().split_once("sluice is ready: ") {
                    let _ = sender.send((base.to_owned(), amqp.clone(), kafka.clone()));
                }
                line.clear();
            }
            // Reading on keeps the pipe open for whatever else it prints.
            let _ = lines.read_to_string(&mut line);
        });
        self.child = Some(child);
        match ready.recv_timeout(crate::deadline::PATIENCE) {
            Ok((base, amqp, kafka)) => {
                self.base = base;
                self.amqp = amqp;
                self.kafka = kafka;
                Ok(())
            }
            Err(_) => {
                let status = self.stop_hard();
                Err(format!("{status}: {}", self.log()))
            }
        }
    }

    /// `kill -9`, and waits until the process is gone.
    pub fn kill(&mut self) {
        self.stop_hard();
    }

    /// `kill -9`, then a start on the same data directory.
    pub fn crash(&mut self) {
        self.kill();
        self.run();
    }

    /// SIGTERM without waiting.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).expect("a process id");
        kill_process(pid, signal).expect("the server is there to be signalled");
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("the server runs");
        let status = until_blocking("the server ends", || child.try_wait().expect("waiting works"));
        self.child = None;
        status
    }

    /// Whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Resident memory in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    }

    fn stop_hard(&mut self) -> ExitStatus {
        let Some(mut child) = self.child.take() else { return ExitStatus::from_raw(0) };
        let _ = child.kill();
        child.wait().expect("waiting works")
    }

    fn log_path(&self) -> PathBuf {
        self.home.join(format!("server-{}.log", self.starts))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_hard();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.char_indices().rev().nth(4000).map_or(log.as_str(), |(at, _)| &log[at..]);
            eprintln!("the server's directory stays at {}; its log ends with:\n{tail}", self.home.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.home);
        }
    }
}

/// Starts a process that dies with this test process, whatever kills that.
///
/// The kernel ties the death signal to the *thread* that forked, so one thread that never ends does all the forking.
fn spawn(command: Command) -> std::io::Result<Child> {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static FORKER: OnceLock<std::sync::Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let forker = FORKER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in orders {
                // SAFETY: the closure makes one system call and touches no memory of the parent.
                unsafe {
                    command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
                }
                let _ = answer.send(command.spawn());
            }
        });
        std::sync::Mutex::new(sender)
    });
    let (answer, child) = mpsc::channel();
    forker
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .send((command, answer))
        .expect("the forking thread never ends");
    child.recv().expect("the forking thread never ends")
}

/// Removes, once, what test processes left that were killed.
fn forget_the_dead() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        for entry in std::fs::read_dir(checkout::scratch()).into_iter().flatten().flatten() {
            let path = entry.path();
            if owner(&path).is_some_and(|pid| test_kill_process(pid).is_err()) {
                let _ = std::fs::remove_dir_all(path);
            }
        }
    });
}

fn owner(path: &Path) -> Option<Pid> {
    let (pid, _) = path.file_name()?.to_str()?.split_once('-')?;
    Pid::from_raw(pid.parse().ok()?)
}
