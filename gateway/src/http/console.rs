//! The console: a few pages without a framework, part of the binary. They use the same endpoints as everyone.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::operations::Operations;

/// Only what this server serves, nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Path, content type and text of everything that the console is made of.
const FILES: [(&str, &str, &str); 6] = [
    ("/", HTML, include_str!("../console/index.html")),
    ("/console.css", STYLE, include_str!("../console/console.css")),
    ("/console.js", SCRIPT, include_str!("../console/console.js")),
    ("/console-api.js", SCRIPT, include_str!("../console/console-api.js")),
    ("/console-page.js", SCRIPT, include_str!("../console/console-page.js")),
    ("/console-topic.js", SCRIPT, include_str!("../console/console-topic.js")),
];

/// The pages and what they load.
pub fn pages() -> Router<Operations> {
    FILES.into_iter().fold(Router::new(), |router, (path, content_type, text)| {
        router.route(path, get(move || async move { file(content_type, text) }))
    })
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_file_loads_is_served_and_nothing_is_inline() {
        let served: Vec<&str> = FILES.iter().map(|(path, ..)| *path).collect();
        for (path, content_type, text) in FILES {
            let quote = if content_type == HTML { '"' } else { '\'' };
            for loaded in text.split(quote).filter(|part| part.starts_with("/console")) {
                assert!(served.contains(&loaded), "{path} loads {loaded}");
            }
            assert!(
                !text.contains("http://") && !text.contains("https://"),
                "{path} refers to another server"
            );
            assert!(
                !text.contains(" style=\"") && !text.contains(" onclick="),
                "{path} has inline code or styles"
            );
        }
    }
}
