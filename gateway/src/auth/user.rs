use super::api_key::ApiKey;
use super::verifier::{ScramHash, Verifier};

/// A user as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: Box<str>,
    /// Whether it may do everything, whatever the rules say.
    pub admin: bool,
    /// The groups that it belongs to, sorted.
    pub groups: Vec<Box<str>>,
    /// What RabbitMQ's tools call it (`monitoring`, `management`), kept for them.
    pub tags: Vec<Box<str>>,
    /// One of each hash, or none.
    pub verifiers: Vec<Verifier>,
    /// Counts the changes of the password: whoever logged in with an earlier one is out.
    pub password_version: u64,
    /// Its API keys.
    pub keys: Vec<ApiKey>,
}

impl User {
    /// The verifier of one mechanism.
    #[must_use]
    pub fn verifier(&self, hash: ScramHash) -> Option<&Verifier> {
        self.verifiers.iter().find(|verifier| verifier.hash == hash)
    }

    /// The key of that id.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<&ApiKey> {
        self.keys.iter().find(|key| &*key.id == id)
    }

    /// Takes a verifier in place of one of the same hash.
    pub fn set_verifier(&mut self, verifier: Verifier) {
        self.verifiers.retain(|one| one.hash != verifier.hash);
        self.verifiers.push(verifier);
        self.verifiers.sort_by_key(|verifier| verifier.hash);
        self.password_version += 1;
    }

    /// Drops the verifier of a hash; answers whether there was one.
    pub fn remove_verifier(&mut self, hash: ScramHash) -> bool {
        let before = self.verifiers.len();
        self.verifiers.retain(|one| one.hash != hash);
        let removed = self.verifiers.len() != before;
        self.password_version += u64::from(removed);
        removed
    }
}
