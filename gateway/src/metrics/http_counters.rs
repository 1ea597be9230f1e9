//! Requests by route, method and status.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::http::{Method, StatusCode};

use super::route::{METHODS, Route, method, route};

/// Statuses that are counted apart; any other is counted as the first of its class.
const STATUSES: [u16; 32] = [
    100, 101, 200, 201, 202, 204, 206, 207, 300, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412,
    413, 415, 416, 422, 429, 431, 500, 501, 503, 504, 507,
];

/// One counter per route, method and status, all of them there from the start.
#[derive(Debug)]
pub struct HttpCounters {
    counts: Box<[AtomicU64]>,
    in_flight: AtomicU64,
}

impl Default for HttpCounters {
    fn default() -> HttpCounters {
        let places = Route::ALL.len() * METHODS.len() * STATUSES.len();
        HttpCounters {
            counts: (0..places).map(|_| AtomicU64::new(0)).collect(),
            in_flight: AtomicU64::new(0),
        }
    }
}

impl HttpCounters {
    /// Requests that wait for their answer now.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// Route, method, status and count of everything that was counted at least once.
    pub fn counted(&self) -> impl Iterator<Item = (Route, &'static str, u16, u64)> {
        self.counts.iter().enumerate().filter_map(|(place, count)| {
            let count = count.load(Relaxed);
            let (rest, status) = (place / STATUSES.len(), place % STATUSES.len());
            let (route, method) = (rest / METHODS.len(), rest % METHODS.len());
            (count > 0).then_some(())?;
            Some((*Route::ALL.get(route)?, *METHODS.get(method)?, *STATUSES.get(status)?, count))
        })
    }
}

/// One request that is being answered.
#[derive(Debug)]
pub struct Counting {
    counters: Arc<HttpCounters>,
    place: usize,
}

impl Counting {
    /// A request came; finds where it will be counted.
    #[must_use]
    pub fn begin(counters: &Arc<HttpCounters>, verb: &Method, path: &str) -> Counting {
        counters.in_flight.fetch_add(1, Relaxed);
        let place = (route(path) as usize * METHODS.len() + method(verb)) * STATUSES.len();
        Counting { counters: counters.clone(), place }
    }

    /// It was answered.
    pub fn answered(&self, status: StatusCode) {
        if let Some(count) = self.counters.counts.get(self.place + status_place(status.as_u16())) {
            count.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Counting {
    /// It is over, answered or not.
    fn drop(&mut self) {
        self.counters.in_flight.fetch_sub(1, Relaxed);
    }
}

fn status_place(status: u16) -> usize {
    match status {
        200 => 2,
        _ => STATUSES
            .binary_search(&status)
            .or_else(|_| STATUSES.binary_search(&(status / 100 * 100)))
            .unwrap_or(STATUSES.len() - 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_where_they_belong() {
        let counters = Arc::new(HttpCounters::default());
        for _ in 0..3 {
            Counting::begin(&counters, &Method::POST, "/v1/topics/orders/messages").answered(StatusCode::OK);
        }
        let counting = Counting::begin(&counters, &Method::from_bytes(b"BREW").unwrap(), "/pot");
        assert_eq!(counters.in_flight(), 1);
        counting.answered(StatusCode::IM_A_TEAPOT);
        let counted: Vec<_> = counters.counted().collect();
        assert_eq!(counted, [(Route::Other, "other", 400, 1), (Route::Messages, "POST", 200, 3)]);
    }

    #[test]
    fn every_status_has_a_place() {
        assert!(STATUSES.is_sorted());
        for status in 100..600 {
            assert_eq!(STATUSES[status_place(status)] / 100, status / 100, "{status}");
        }
        assert_eq!(STATUSES[status_place(200)], 200);
        assert_eq!(STATUSES[status_place(999)], 500);
    }
}
