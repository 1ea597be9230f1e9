//! What a group chooses for itself: heartbeats follow it, and a restart remembers it.
use std::time::Duration;

use log_engine::{ConfigChange, LogEngineConfig, LogError};
use message::ErrorCode;
use segment_store::{Crash, LyingDisk};

use crate::group_bench::{Bench, joins, stays};
use crate::shell::{Shell, group};

const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";
const SESSION: &str = "consumer.session.timeout.ms";

fn set(key: &str, value: &str) -> (String, ConfigChange) {
    (key.to_owned(), ConfigChange::Set(value.to_owned()))
}

fn alter(shell: &mut Shell, changes: &[(String, ConfigChange)], alone: bool) -> Result<(), LogError> {
    shell.run(|engine, block, _| engine.alter_group_settings(block, &group("g"), changes, (alone, false)))
}

/// What the group chose, as text.
fn chosen(shell: &Shell) -> Vec<String> {
    let settings = shell.engine.group_settings(&group("g")).into_iter();
    settings.filter(|one| one.is_chosen).map(|one| format!("{}={}", one.name, one.value)).collect()
}

#[test]
fn members_follow_what_their_group_chose() {
    let seconds = Duration::from_secs;
    let mut bench = Bench::new(1);
    let a = bench.consumer(joins("a")).unwrap();
    assert_eq!(a.heartbeat_interval, seconds(5));
    alter(&mut bench.shell, &[set(HEARTBEAT, "7000"), set(SESSION, "60000")], false).unwrap();
    let told = bench.consumer(stays("a", a.epoch, None)).unwrap();
    assert_eq!(told.heartbeat_interval, seconds(7));
    bench.pass(seconds(59));
    assert_eq!(bench.state(), "Stable");
    bench.pass(seconds(1));
    assert_eq!(bench.state(), "Empty", "it was silent for the session that its group chose");
    alter(&mut bench.shell, &[], true).unwrap();
    assert_eq!(bench.consumer(joins("b")).unwrap().heartbeat_interval, seconds(5));
}

#[test]
fn settings_outlast_the_group_a_crash_and_a_checkpoint() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open_with(&disk, LogEngineConfig::default()).unwrap();
    alter(&mut shell, &[set(SESSION, "50000"), set("share.isolation.level", "read_committed")], false)
        .unwrap();
    alter(&mut shell, &[set(HEARTBEAT, "6000")], false).unwrap();
    let all = [
        format!("{HEARTBEAT}=6000"),
        format!("{SESSION}=50000"),
        "share.isolation.level=read_committed".to_owned(),
    ];
    assert_eq!(chosen(&shell), all);
    shell.commit().unwrap();
    let disk = disk.crash_with(Crash::KeepAll);
    let mut shell = Shell::open_with(&disk, LogEngineConfig::default()).unwrap();
    assert_eq!(chosen(&shell), all);
    shell.checkpoint().unwrap();
    let disk = disk.crash_with(Crash::KeepAll);
    let mut shell = Shell::open_with(&disk, LogEngineConfig::default()).unwrap();
    assert_eq!(chosen(&shell), all);
    // The others go back to what is usual; the last one takes the group off the list.
    alter(&mut shell, &[set(HEARTBEAT, "6000")], true).unwrap();
    assert_eq!(chosen(&shell), all[..1]);
    assert_eq!(shell.engine.groups_with_settings().count(), 1);
    alter(&mut shell, &[(HEARTBEAT.to_owned(), ConfigChange::Unset)], false).unwrap();
    assert_eq!(shell.engine.groups_with_settings().count(), 0);
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut bench = Bench::new(1);
    let shell = &mut bench.shell;
    alter(shell, &[set(SESSION, "50000")], false).unwrap();
    for refused in [
        &[set(SESSION, "60000"), set(HEARTBEAT, "1")][..],
        &[set(SESSION, "x")],
        &[set("streams.session.timeout.ms", "50000")],
        &[(SESSION.to_owned(), ConfigChange::Append("1".to_owned()))],
    ] {
        let error = alter(shell, refused, false).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidConfig, "{error}");
    }
    assert_eq!(chosen(shell), [format!("{SESSION}=50000")]);
}
