//! `docs/security.md` tells what to type: it is typed here.

use std::path::Path;
use std::process::Command;

use blackbox::checkout;
use blackbox::server::{Launch, Server};

fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

fn sh(home: &Path, server: &Server, script: &str) {
    let binary = checkout::sluice();
    let path =
        format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(home)
        .env("PATH", path)
        .env("SLUICE_CLI_SERVER", server.base())
        .output()
        .expect("bash runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{}{told}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn what_the_page_says_can_be_typed() {
    let page = std::fs::read_to_string(checkout::root().join("docs/security.md")).unwrap();
    let home = checkout::scratch().join(format!("{}-security-page", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let server = Server::start();
    let script = blocks(&page, "sh").join("\n");
    for part in ["user add", "acl allow", "user key", "quota set", "sluice certs", "openssl x509"] {
        assert!(script.contains(part), "the page does not show {part}");
    }
    let checks = "openssl verify -CAfile certs/ca.pem certs/server.pem certs/bob.pem
openssl verify -CAfile our-ca.pem our-server.pem our-bob.pem
sluice user list | grep -q bob
sluice acl list | grep -q orders
sluice quota list | grep -q 'produce_bytes_per_s.*1000000'
sluice quota delete $(sluice quota list | grep -o '[0-9a-f]\\{20\\}' | head -1)
test \"$(stat -c %a certs/server.key)\" = 600";
    sh(&home, &server, &format!("{script}\n{checks}"));
    // The settings start a server, with either pair.
    let settings = blocks(&page, "toml").remove(0);
    let at = |settings: &str| {
        let absolute = settings.replace("\"certs/", &format!("\"{}/certs/", home.display()));
        let ports = ["0.0.0.0:8443", "0.0.0.0:9093", "0.0.0.0:5671"];
        ports.iter().fold(absolute, |text, port| text.replace(port, "127.0.0.1:0"))
    };
    drop(Server::launch(Launch::with_config(&at(&settings))));
    let ours = settings
        .replace("certs/server.", "../our-server.")
        .replace("\"../", &format!("\"{}/", home.display()));
    drop(Server::launch(Launch::with_config(&at(&ours))));
    std::fs::remove_dir_all(&home).unwrap();
}
