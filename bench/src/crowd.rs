//! Client programs against one broker. They start once and are stopped and continued from then on, so that the crowds of
//! several brokers take turns and how long a program takes to start is no part of what is measured.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::kafka::Client;
use crate::process::{Broker, ThreadTimes, cpu_seconds_of};
use crate::table::median;

/// Whoever has done nothing by then does not work.
const PATIENCE: Duration = Duration::from_secs(90);

/// What tells how far a client came.
pub enum Progress {
    /// The end of the topic that it alone writes to.
    Written(String),
    /// What it says it has read, and how much there is to read.
    Read { told: Arc<AtomicU64>, of: u64 },
}

impl Progress {
    /// Counts what a `kafka-verifiable-consumer` says it consumed.
    pub fn told_by(output: ChildStdout, of: u64) -> Progress {
        let told = Arc::new(AtomicU64::new(0));
        let counted = told.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Some((_, rest)) = line.split_once("\"name\":\"records_consumed\"") else { continue };
                let count = rest.split_once("\"count\":").map_or("", |(_, count)| count);
                let count = count.split([',', '}']).next().and_then(|count| count.parse().ok());
                counted.fetch_add(count.unwrap_or(0), Ordering::Relaxed);
            }
        });
        Progress::Read { told, of }
    }
}

/// One client, with whatever feeds it.
pub struct Member {
    /// The client first.
    pub processes: Vec<Child>,
    pub progress: Progress,
}

/// What a turn reached.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Records a second of all clients.
    pub per_s: f64,
    /// The broker's CPU seconds per million records.
    pub broker_cpu: f64,
    /// How many cores the broker kept busy.
    pub broker: f64,
    /// How many cores the clients kept busy.
    pub clients: f64,
    /// How much of a core the clients' busiest threads did, in the middle.
    pub busiest: f64,
}

/// What is looked at before and after.
struct Measured {
    records: f64,
    broker: f64,
    clients: f64,
    threads: Vec<ThreadTimes>,
}

/// Clients of one kind against one broker.
pub struct Crowd {
    broker: Broker,
    members: Vec<Member>,
    admin: Client,
}

impl Crowd {
    /// Lets clients run until each of them has moved so many records, and stops them.
    pub fn start(broker: Broker, members: Vec<Member>, moved: u64) -> Crowd {
        let admin = Client::open(broker.address);
        let mut crowd = Crowd { broker, members, admin };
        let began = Instant::now();
        while crowd.progress().iter().any(|at| *at < moved) {
            assert!(began.elapsed() < PATIENCE, "clients of {} do too little", broker.name);
            crowd.check();
            std::thread::sleep(Duration::from_millis(50));
        }
        crowd.signal("-STOP");
        crowd
    }

    /// Lets them run for so long; the first quarter only warms up.
    pub fn turn(&mut self, time: Duration) -> Turn {
        self.signal("-CONT");
        std::thread::sleep(time / 4);
        let (began, before) = (Instant::now(), self.measure());
        std::thread::sleep(time - time / 4);
        let (took, after) = (began.elapsed().as_secs_f64(), self.measure());
        self.signal("-STOP");
        self.check();
        let count = after.records - before.records;
        let threads = before.threads.iter().zip(&after.threads);
        let busiest: Vec<f64> = threads.map(|(before, after)| after.busiest_since(before) / took).collect();
        Turn {
            per_s: count / took,
            broker_cpu: (after.broker - before.broker) * 1e6 / count,
            broker: (after.broker - before.broker) / took,
            clients: (after.clients - before.clients) / took,
            busiest: median(&busiest),
        }
    }

    fn progress(&mut self) -> Vec<u64> {
        let admin = &mut self.admin;
        let of = |member: &Member| match &member.progress {
            Progress::Written(topic) => admin.end_of(topic),
            Progress::Read { told, .. } => told.load(Ordering::Relaxed),
        };
        self.members.iter().map(of).collect()
    }

    fn measure(&mut self) -> Measured {
        let pids = self.pids();
        Measured {
            records: self.progress().iter().sum::<u64>() as f64,
            broker: cpu_seconds_of(self.broker.pid),
            clients: pids.iter().copied().map(cpu_seconds_of).sum(),
            threads: self.members.iter().map(|member| ThreadTimes::of(member.processes[0].id())).collect(),
        }
    }

    fn pids(&self) -> Vec<u32> {
        self.members.iter().flat_map(|member| &member.processes).map(Child::id).collect()
    }

    fn signal(&self, name: &str) {
        let pids = self.pids();
        let sent = Command::new("kill").arg(name).args(pids.iter().map(u32::to_string)).status();
        assert!(sent.is_ok_and(|status| status.success()), "a client of {} has ended", self.broker.name);
    }

    /// Nobody may have ended, nor have come to the end of what there is.
    fn check(&mut self) {
        for member in &mut self.members {
            for process in &mut member.processes {
                let ended = process.try_wait().expect("a child");
                assert!(ended.is_none(), "a client of {} ends: {ended:?}", self.broker.name);
            }
            if let Progress::Read { told, of } = &member.progress {
                assert!(told.load(Ordering::Relaxed) < *of, "{} is read to the end", self.broker.name);
            }
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for process in self.members.iter_mut().flat_map(|member| &mut member.processes) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
