use axum::Router;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// What endpoints are collected in: to be served, or to be described.
///
/// A server collects them in a plain [`Router`], which drops each description at once: all of them together take
/// half of the memory of a server that has just started.
pub trait Endpoints<S>: Sized {
    /// Adds the methods of one path.
    #[must_use]
    fn routes(self, methods: UtoipaMethodRouter<S>) -> Self;
}

impl<S: Clone + Send + Sync + 'static> Endpoints<S> for Router<S> {
    fn routes(self, (_, paths, methods): UtoipaMethodRouter<S>) -> Self {
        paths.paths.keys().fold(self, |router, path| router.route(path, methods.clone()))
    }
}

impl<S: Clone + Send + Sync + 'static> Endpoints<S> for OpenApiRouter<S> {
    fn routes(self, methods: UtoipaMethodRouter<S>) -> Self {
        OpenApiRouter::routes(self, methods)
    }
}
