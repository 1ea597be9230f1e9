//! Definitions of shovels: set, read, taken away. What they mean is not known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use message::ErrorCode;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::authorization::Act;
use super::deeds::Author;
use super::identities::too_many;
use super::outgoing::Acks;
use super::shard::{Room, ShovelBook, Terms, Turn};
use super::spec::Created;
use super::{Topics, VirtualHost};
use crate::refusal::Refusal;

/// Journal bytes that a definition takes at most.
const DEFINITION_BYTES: usize = 64 << 10;
/// Definitions kept at most.
const SHOVELS_MAX: usize = 1000;
/// Longest name, in bytes.
const NAME_BYTES: usize = 255;
const DEFINE: Terms = Terms { acks: Acks::All, weight: DEFINITION_BYTES, room: Room::Ordinary };
const UNDEFINE: Terms = Terms { acks: Acks::All, weight: 4096, room: Room::Reserved };

/// Which shovel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShovelName {
    /// The virtual host that it is defined in.
    pub vhost: Box<str>,
    /// Its name there.
    pub name: Box<str>,
}

/// What was set, member by member.
pub type ShovelSettings = Map<String, Value>;

/// A definition as it stands. There are passwords in it: it is not to be printed.
pub struct ShovelDefinition {
    /// What was set.
    pub value: ShovelSettings,
    /// Another one for every time that it was set, until the server starts anew.
    pub revision: u64,
}

/// All definitions.
pub type ShovelTable = BTreeMap<ShovelName, Arc<ShovelDefinition>>;

impl Topics {
    /// Defines a shovel, in place of one of that name. `about` says of it what may be read in the audit log.
    ///
    /// # Errors
    /// When whoever asks may not, its virtual host is not there, or it is more than can be kept.
    pub async fn put_shovel(
        &self,
        name: ShovelName,
        value: ShovelSettings,
        about: String,
    ) -> Result<Created, Refusal> {
        self.allow_on_server(Act::ChangeShovels)?;
        self.check_not_draining()?;
        self.virtual_host(&name.vhost)?;
        if name.name.is_empty() || name.name.len() > NAME_BYTES {
            return Err(Refusal::invalid("name", format!("a name has 1 to {NAME_BYTES} bytes")));
        }
        if ShovelBook::size(&name, &value) > DEFINITION_BYTES {
            return Err(Refusal::new(ErrorCode::TooLarge, "that is too much for one shovel"));
        }
        let (by, topics) = (self.author(), self.clone());
        let set = move |turn: &mut Turn<'_>| {
            // It may have been deleted meanwhile.
            topics.virtual_host(&name.vhost)?;
            let book = &mut turn.engines.shovels;
            let created = match book.get(&name) {
                Some(have) if have.value == value => return Ok(Created::Same),
                Some(_) => Created::Same,
                None => Created::Made,
            };
            if created == Created::Made && book.len() >= SHOVELS_MAX {
                return Err(too_many("shovels", SHOVELS_MAX));
            }
            book.set(turn.journal.block(), name, value);
            turn.tell_shovels(&by, "shovel_set", &about);
            Ok(created)
        };
        self.shard().call(DEFINE, set).await?
    }

    /// Takes a shovel's definition away; answers whether there was one.
    ///
    /// # Errors
    /// When whoever asks may not.
    pub async fn delete_shovel(&self, name: ShovelName) -> Result<bool, Refusal> {
        self.allow_on_server(Act::ChangeShovels)?;
        let by = self.author();
        let delete = move |turn: &mut Turn<'_>| {
            let is_there = turn.engines.shovels.get(&name).is_some();
            if is_there {
                turn.delete_shovel(&name, &by, "shovel_deleted");
            }
            is_there
        };
        self.shard().call(UNDEFINE, delete).await
    }

    /// Takes away the definition of a shovel that has done all that it was to do, unless it was defined anew meanwhile.
    pub(crate) async fn finish_shovel(&self, name: ShovelName, revision: u64) -> Result<(), Refusal> {
        let by = self.author();
        let finish = move |turn: &mut Turn<'_>| {
            if turn.engines.shovels.get(&name).is_some_and(|one| one.revision == revision) {
                turn.delete_shovel(&name, &by, "shovel_finished");
            }
        };
        self.shard().call(UNDEFINE, finish).await
    }

    /// The definitions as they are now.
    ///
    /// # Errors
    /// When whoever asks may not see them.
    pub fn shovels(&self) -> Result<Arc<ShovelTable>, Refusal> {
        self.allow_on_server(Act::ChangeShovels)?;
        Ok(Arc::clone(&self.0.shovels.borrow()))
    }

    /// Where changes of the definitions are seen.
    pub(crate) fn watch_shovels(&self) -> watch::Receiver<Arc<ShovelTable>> {
        self.0.shovels.clone()
    }
}

impl Turn<'_> {
    fn delete_shovel(&mut self, name: &ShovelName, by: &Author, event: &str) {
        self.engines.shovels.delete(self.journal.block(), name);
        self.tell_shovels(by, event, &format!("shovel {} in vhost {}", name.name, name.vhost));
    }

    fn tell_shovels(&mut self, (user, origin): &Author, event: &str, about: &str) {
        self.engines.guard.changed(event, user, *origin, about);
        self.engines.shovels.show();
    }

    /// The shovels of a virtual host go with it.
    pub(super) fn delete_shovels_of(&mut self, vhost: &str, by: &Author) -> Result<(), Refusal> {
        if vhost == VirtualHost::DEFAULT_NAME {
            // It cannot be deleted.
            return Ok(());
        }
        let within = self.engines.shovels.names().filter(|name| *name.vhost == *vhost);
        let gone: Vec<ShovelName> = within.cloned().collect();
        for name in gone {
            self.delete_shovel(&name, by, "shovel_deleted");
            self.ensure(UNDEFINE.weight)?;
        }
        Ok(())
    }
}
