use blackbox::{Http, Server, list};
use serde_json::json;

/// Walks a list by its cursors and returns the named member of each item.
async fn walk(http: &Http, path: &str, items: &str, name: &str, limit: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = http.get(&format!("{path}limit={limit}{cursor}")).await.expect(200);
        let entries = list(&page, items);
        assert!(entries.len() <= limit, "a page of {} for a limit of {limit}", entries.len());
        all.extend(entries.iter().map(|entry| entry[name].as_str().unwrap_or_default().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn every_topic_appears_on_exactly_one_page() {
    let server = Server::shared();
    let http = server.http();
    let stem = server.name("paged");
    let mut expected = Vec::new();
    for number in 0..13 {
        let name = format!("{stem}-{number:02}");
        if number % 2 == 0 {
            http.make_queue(&name, json!({})).await
        } else {
            http.make_log(&name, 1).await
        }
        expected.push(name);
    }
    for limit in [1, 5, 13, 100] {
        let path = format!("/v1/topics?prefix={stem}-&");
        assert_eq!(walk(&http, &path, "topics", "name", limit).await, expected, "pages of {limit}");
    }
    let logs = walk(&http, &format!("/v1/topics?prefix={stem}-&model=log&"), "topics", "name", 4).await;
    assert_eq!(logs.len(), 6);
}

#[tokio::test]
async fn exchanges_and_bindings_page_too() {
    let server = Server::shared();
    let http = server.http();
    let x = server.name("x");
    http.put(&format!("/v1/exchanges/{x}"), json!({"type": "direct"})).await.expect(201);
    let queue = server.name("q");
    http.make_queue(&queue, json!({})).await;
    for key in 0..7 {
        let binding = json!({"source": x, "destination": queue, "destination_type": "queue", "routing_key": key.to_string()});
        http.post("/v1/bindings", binding).await.expect(201);
    }
    let ids = walk(&http, &format!("/v1/bindings?source={x}&"), "bindings", "id", 3).await;
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 7);
    let all = walk(&http, "/v1/exchanges?", "exchanges", "name", 2).await;
    assert_eq!(all.iter().filter(|name| **name == x).count(), 1);
}

#[tokio::test]
async fn a_cursor_is_taken_only_as_it_was_given() {
    let server = Server::shared();
    let http = server.http();
    for path in ["/v1/topics", "/v1/exchanges", "/v1/bindings", "/v1/groups"] {
        http.get(&format!("{path}?cursor=nonsense")).await.refused_in(400, "invalid_request", "cursor");
        for limit in ["0", "-1", "x", "1000000"] {
            http.get(&format!("{path}?limit={limit}")).await.refused_in(400, "invalid_request", "limit");
        }
    }
}
