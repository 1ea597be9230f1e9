use std::process::Command;

use blackbox::{Launch, Server, checkout};
use serde_json::json;

#[tokio::test]
async fn a_second_server_on_the_same_directory_refuses() {
    let server = Server::start();
    let http = server.http();
    http.make_queue("queue", json!({})).await;
    let mut second = Server::prepare(Launch { dir: Some(server.data_dir()), ..Launch::default() });
    let refused = second.try_run().expect_err("the directory is in use");
    assert!(refused.contains("in use") && refused.contains("data"), "{refused}");
    http.publish_values("queue", ["still served"]).await;
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    for (config, wrong, right) in [
        ("[http]\nadr = \"off\"\n", "adr", "addr"),
        ("data_dri = \"x\"\n", "data_dri", "data_dir"),
        ("[limits]\nmessage_byte = 1\n", "message_byte", "message_bytes"),
    ] {
        let refused = Server::prepare(Launch::with_config(config)).try_run().expect_err("an unknown key");
        assert!(refused.contains(wrong) && refused.contains(right), "{refused}");
    }
    let env = vec![("SLUICE_HTTP_ADR".to_owned(), "off".to_owned())];
    let refused =
        Server::prepare(Launch { env, ..Launch::default() }).try_run().expect_err("an unknown variable");
    assert!(refused.contains("SLUICE_HTTP_ADDR"), "{refused}");
}

#[test]
fn a_value_out_of_range_is_refused_by_its_name() {
    let config = "[http]\nmax_body_bytes = 1\n";
    let refused = Server::prepare(Launch::with_config(config)).try_run().expect_err("out of range");
    assert!(refused.contains("max_body_bytes"), "{refused}");
}

#[test]
fn what_went_wrong_is_one_line_whatever_rust_is_told_of_backtraces() {
    let nobody = ["user", "list", "--server", "http://127.0.0.1:1"];
    let run =
        Command::new(checkout::sluice()).args(nobody).env("RUST_BACKTRACE", "1").output().expect("it runs");
    assert_eq!(run.status.code(), Some(1));
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(told.starts_with("Error: ") && told.lines().count() == 1, "{told}");
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let launch = Launch {
        config: "log_format = \"text\"\n[limits]\nmessage_bytes = \"1MiB\"\n".into(),
        env: vec![
            ("SLUICE_LIMITS_MESSAGE_BYTES".into(), "2000".into()),
            ("SLUICE_LOG_FORMAT".into(), "json".into()),
        ],
        ..Launch::default()
    };
    let server = Server::launch(launch);
    let http = server.http();
    http.make_queue("queue", json!({})).await;
    let path = "/v1/topics/queue/messages";
    http.post_as(path, "text/plain", "x".repeat(1900)).await.expect(200);
    http.post_as(path, "text/plain", "x".repeat(2100)).await.refused(413, "too_large");
    let log = server.log();
    let first = log.lines().next().unwrap_or_default();
    assert!(serde_json::from_str::<serde_json::Value>(first).is_ok(), "log lines are JSON: {first}");
}

#[test]
fn the_command_line_explains_itself() {
    let run = |args: &[&str]| Command::new(checkout::sluice()).args(args).output().expect("it runs");
    let help = run(&["--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("serve"));
    let version = run(&["--version"]);
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("sluice "));
    let wrong = run(&["serve", "--htp", "off"]);
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--http"));
}
