//! Apache Kafka, started privately: one node in KRaft mode with a directory and ports of its own, otherwise with its
//! default settings and the options that its start script gives to Java.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::kafka::Client;

/// What `kafka-server-start.sh` asks of Java.
const JAVA: [&str; 7] = [
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
];
const CLUSTER: &str = "c2x1aWNlLWJlbmNobWFyaw";

/// A running Apache Kafka.
#[derive(Debug)]
pub struct ApacheKafka {
    process: Child,
    base: PathBuf,
    /// Where clients connect.
    pub address: SocketAddr,
    /// From the start of the process until it let a client in.
    pub ready_after: Duration,
}

impl ApacheKafka {
    /// Starts it in a directory, with what an earlier run left there; `None` where its libraries are not here.
    pub fn start(base: &Path) -> Option<ApacheKafka> {
        ApacheKafka::start_with(base, "")
    }

    /// The same with settings of its own, a line each, where no earlier run left any.
    pub fn start_with(base: &Path, more: &str) -> Option<ApacheKafka> {
        let class_path = class_path()?;
        std::fs::create_dir_all(base).expect("a directory");
        let settings = base.join("server.properties");
        let address = match std::fs::read_to_string(base.join("address")) {
            Ok(address) => address.parse().expect("an address"),
            Err(_) => format(base, &settings, &class_path, more),
        };
        let log = std::fs::File::create(base.join("output.log")).expect("a file");
        let began = Instant::now();
        let process = Command::new("java")
            .args(JAVA)
            .arg("-cp")
            .arg(&class_path)
            .arg("kafka.Kafka")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("java starts");
        while Client::try_open(address).is_none() {
            assert!(began.elapsed() < Duration::from_secs(60), "Apache Kafka lets nobody in");
            std::thread::sleep(Duration::from_millis(2));
        }
        Some(ApacheKafka { process, base: base.to_path_buf(), address, ready_after: began.elapsed() })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where it keeps what it stores.
    pub fn data(&self) -> PathBuf {
        self.base.join("data")
    }

    /// Ends it in good order.
    pub fn stop(mut self) {
        let _ = Command::new("kill").arg(self.pid().to_string()).status();
        let _ = self.process.wait();
    }
}

impl Drop for ApacheKafka {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Apache Kafka's libraries and what they need, as Java wants to be told.
pub fn class_path() -> Option<String> {
    let Some(directory) = std::env::var_os("KAFKA_LIBRARIES") else {
        eprintln!(
            "Apache Kafka is not here: bench/README.md says how to fetch it and to set KAFKA_LIBRARIES"
        );
        return None;
    };
    Some(format!("{}/*", Path::new(&directory).display()))
}

/// Writes the settings and formats the directory.
fn format(base: &Path, settings: &Path, class_path: &str, more: &str) -> SocketAddr {
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let [kafka, controller] = ports.map(|listener| listener.local_addr().expect("an address"));
    let text = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.bootstrap.servers={controller}\n\
         listeners=PLAINTEXT://{kafka},CONTROLLER://{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         {more}\n",
        base.join("data").display()
    );
    std::fs::write(settings, text).expect("a file");
    let formatted = Command::new("java")
        .args(["-cp", class_path, "kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER, "-c"])
        .arg(settings)
        .stdout(Stdio::null())
        .status()
        .expect("java starts");
    assert!(formatted.success(), "the directory of Apache Kafka is formatted");
    std::fs::write(base.join("address"), kafka.to_string()).expect("a file");
    kafka
}
