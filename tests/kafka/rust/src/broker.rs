use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What `tests/kafka/rust.sh` tells the tests.
fn told(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; run tests/kafka/rust.sh"))
}

/// `host:port` of the server that tests share which do it no harm.
pub fn shared() -> String {
    told("KAFKA")
}

/// A name that no other test uses.
pub fn name(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The real binary on a directory and a port of its own, for tests that kill it or configure it.
pub struct Broker {
    home: PathBuf,
    addresses: Vec<String>,
    settings: Vec<String>,
    child: Child,
}

impl Broker {
    /// Starts one with these settings of its configuration.
    pub fn start(settings: &[&str]) -> Broker {
        Broker::listening(1, settings)
    }

    /// The same, listening at so many ports for Kafka clients.
    pub fn listening(ports: usize, settings: &[&str]) -> Broker {
        let home = PathBuf::from(told("SCRATCH")).join(name("broker"));
        std::fs::create_dir_all(&home).expect("a directory for the server");
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let (child, addresses) = launch(&home, &vec!["127.0.0.1:0".to_owned(); ports], &settings);
        Broker { home, addresses, settings, child }
    }

    /// `127.0.0.1:PORT` of the Kafka door; the first of them.
    pub fn address(&self) -> &str {
        &self.addresses[0]
    }

    /// All of them.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// `kill -9`, and a start on the same port and directory.
    pub fn crash(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        (self.child, _) = launch(&self.home, &self.addresses, &self.settings);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.home);
        }
    }
}

fn launch(home: &Path, addresses: &[String], settings: &[String]) -> (Child, Vec<String>) {
    let log = std::fs::File::create(home.join("log")).expect("a log file");
    let mut command = Command::new(told("SLUICE"));
    command.args(["serve", "--http", "127.0.0.1:0", "--amqp", "off", "--kafka", &addresses.join(",")]);
    command.arg("--data-dir").arg(home.join("data"));
    command.args(["--set", "groups.initial_rebalance_delay_ms=0", "--set", "storage.segment_bytes=4MiB"]);
    command.args(["--set", "limits.message_bytes=1MiB", "--set", "log.settle_bytes=1MiB"]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().expect("the server starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let mut kafka = Vec::new();
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some((_, address)) = line.split_once("kafka://") {
            kafka.push(address.trim().to_owned());
        }
        if line.contains("is ready: http://") {
            break;
        }
    }
    // Reading on keeps the pipe open for whatever else it prints.
    std::thread::spawn(move || lines.for_each(drop));
    let log = || std::fs::read_to_string(home.join("log")).unwrap_or_default();
    assert_eq!(kafka.len(), addresses.len(), "the server did not start:\n{}", log());
    (child, kafka)
}
