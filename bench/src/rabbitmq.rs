//! A RabbitMQ of this machine, started privately: its own node name, ports and directory.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::amqp::Client;

const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A running RabbitMQ.
#[derive(Debug)]
pub struct RabbitMq {
    shell: Child,
    epmd_port: u16,
    /// The Erlang machine's process.
    pub pid: u32,
    /// Where it speaks AMQP.
    pub address: SocketAddr,
}

impl RabbitMq {
    /// Starts Debian's RabbitMQ in a directory; `None` where it is not installed.
    pub fn start(base: &Path) -> Option<RabbitMq> {
        if !Path::new(SERVER).exists() {
            eprintln!("RabbitMQ is not here: install Debian's rabbitmq-server to measure beside it");
            return None;
        }
        let [amqp, epmd_port, dist] = free_ports();
        std::fs::create_dir_all(base).expect("a directory");
        let write = |name: &str, text: String| std::fs::write(base.join(name), text).expect("a file");
        write("rabbitmq.conf", format!("listeners.tcp.default = 127.0.0.1:{amqp}\n"));
        write("enabled", "[].\n".to_owned());
        let log = std::fs::File::create(base.join("output.log")).expect("a file");
        let pid_file = base.join("pid");
        let shell = Command::new(SERVER)
            .env("HOME", base)
            .env("RABBITMQ_NODENAME", format!("bench-{}@localhost", std::process::id()))
            .env("RABBITMQ_BASE", base)
            .env("RABBITMQ_MNESIA_BASE", base.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", base.join("log"))
            .env("RABBITMQ_CONFIG_FILE", base.join("rabbitmq"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", base.join("enabled"))
            .env("RABBITMQ_DIST_PORT", dist.to_string())
            .env("RABBITMQ_PID_FILE", &pid_file)
            .env("ERL_EPMD_PORT", epmd_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("RabbitMQ starts");
        let address = SocketAddr::from(([127, 0, 0, 1], amqp));
        let began = Instant::now();
        while Client::try_open(address).is_none() {
            assert!(began.elapsed() < Duration::from_secs(120), "RabbitMQ lets nobody in");
            std::thread::sleep(Duration::from_millis(200));
        }
        let pid = std::fs::read_to_string(pid_file).unwrap_or_default();
        Some(RabbitMq { shell, epmd_port, pid: pid.trim().parse().expect("its process id"), address })
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-9", &self.pid.to_string()]).status();
        let _ = self.shell.wait();
        // The port mapper that it started stays behind otherwise; it goes once it has seen that RabbitMQ went.
        for _ in 0..40 {
            let killed = Command::new("epmd")
                .arg("-kill")
                .env("ERL_EPMD_PORT", self.epmd_port.to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if killed.is_ok_and(|status| status.success()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}
