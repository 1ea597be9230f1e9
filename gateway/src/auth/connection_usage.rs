use super::guard::Guard;
use super::origin::Origin;
use super::quota::InForce;
use super::usage::{Connected, Usage};

/// Whose use the requests of a connection are measured as: most connections are one client's. As long as it is somebody's,
/// it has its place among the connections that they may have.
#[derive(Default)]
pub struct ConnectionUsage(Option<(Usage, Option<Connected>)>);

impl ConnectionUsage {
    /// What a request of this client is measured by. From its first request on, the connection is one of theirs.
    ///
    /// # Errors
    /// When they have as many connections as a quota allows.
    pub fn of(
        &mut self,
        guard: &Guard,
        user: Option<&str>,
        client_id: Option<&str>,
        origin: Origin,
    ) -> Result<Usage, Box<InForce>> {
        if let Some((usage, _)) = self.0.as_ref().filter(|(usage, _)| usage.is_of(user, client_id)) {
            return Ok(usage.clone());
        }
        // Whoever had it before gives the place back first.
        self.0 = None;
        let usage = Usage::of(guard, user, client_id, origin);
        let connected = usage.connect()?;
        self.0 = Some((usage.clone(), connected));
        Ok(usage)
    }

    /// The connection is nobody's any more.
    pub fn let_go(&mut self) {
        self.0 = None;
    }
}
