use std::path::{Path, PathBuf};
use std::process::Command;

use blackbox::{Launch, Server, deadline, values};
use serde_json::json;

/// A file system of its own, small enough to fill.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` when this user may not mount anything.
    pub fn mount(mebibytes: u32) -> Option<SmallDisk> {
        let path = blackbox::checkout::scratch().join(format!("{}-disk-{mebibytes}", std::process::id()));
        std::fs::create_dir_all(&path).ok()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "sluice-test"])
            .arg(&path)
            .status()
            .is_ok_and(|status| status.success());
        if mounted { Some(SmallDisk(path)) } else { None }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn a_full_disk_answers_507_and_recovers_with_nothing_lost() {
    let Some(disk) = SmallDisk::mount(48) else {
        // Only root may mount. The store's own tests fill a lying disk in any case.
        eprintln!("not root: the black-box test of a full disk is skipped");
        return;
    };
    let launch = Launch {
        config: "[storage]\nsegment_bytes = \"2MiB\"\nheadroom_bytes = \"1MiB\"\n[limits]\nmessage_bytes = \"64KiB\"\n[log]\nsettle_bytes = \"1MiB\"\nunsettled_bytes = \"4MiB\"\n".into(),
        dir: Some(disk.path().join("data")),
        ..Launch::default()
    };
    let mut server = Server::launch(launch);
    let http = server.http();
    http.make_queue("queue", json!({})).await;
    http.make_log("log", 1).await;
    let body = "d".repeat(30_000);
    let mut acknowledged = Vec::new();
    let mut logged = 0_i64;
    // Fill it until it says so.
    let full = loop {
        let text = format!("{:05}{body}", acknowledged.len());
        let answer = http.post_as("/v1/topics/queue/messages", "text/plain", text.clone()).await;
        if answer.status != 200 {
            break answer;
        }
        acknowledged.push(text);
        if acknowledged.len() % 4 == 0
            && http.post_as("/v1/topics/log/messages", "text/plain", text_of(logged)).await.status == 200
        {
            logged += 1;
        }
        assert!(acknowledged.len() < 5000, "it never filled");
    };
    let problem = full.refused(507, "disk_full");
    assert_eq!(problem["retryable"], true);
    // Upkeep that was under way may still free a segment, which a log may have then.
    let mut large = 0;
    loop {
        let answer = http.post_as("/v1/topics/log/messages", "text/plain", "x".repeat(30_000)).await;
        if answer.status != 200 {
            answer.refused(507, "disk_full");
            break;
        }
        large += 1;
        assert!(large < 1000, "a log never finds the disk full");
    }
    // Reading, acking and health go on.
    assert_eq!(http.get("/livez").await.status, 200);
    let first = http.receive("queue", 1).await;
    assert_eq!(values(&first)[0].get(..5), Some("00000"));
    http.ack(&first[0]).await;
    // A crash in this state loses nothing.
    server.crash();
    let http = server.http();
    let mut left = values(&http.drain_queue("queue").await);
    left.sort();
    assert_eq!(left.len(), acknowledged.len() - 1);
    assert!(left.iter().eq(acknowledged.iter().skip(1)), "every acknowledged body is whole");
    for offset in 0..logged {
        let page = http.records("log", 0, &format!("offset={offset}&limit=1")).await;
        assert_eq!(page["records"][0]["value"], text_of(offset).as_str());
    }
    for offset in logged..logged + large {
        let page = http.records("log", 0, &format!("offset={offset}&limit=1")).await;
        assert_eq!(page["records"][0]["value"], "x".repeat(30_000).as_str());
    }
    // Everything was settled, so there is room again.
    deadline::until("publishing works again", async || {
        let answer = http.post_as("/v1/topics/queue/messages", "text/plain", "after").await;
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(values(&http.drain_queue("queue").await), ["after"]);
}

fn text_of(offset: i64) -> String {
    format!("record {offset} {}", "l".repeat(1000))
}
