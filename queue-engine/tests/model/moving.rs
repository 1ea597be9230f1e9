//! What is done to single messages by hand, in the model.
use crate::book::Book;
use crate::queue::{Death, State};

/// What became of a message that was to be moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moved {
    Went,
    /// Nothing takes it.
    Stays,
    /// It would have reached a log that takes nothing more.
    LogsFull,
}

impl Book {
    pub fn amend(&mut self, id: u32, sequence: u64, priority: Option<u8>, at: Option<i64>, now: i64) {
        let entry = self.queues.get_mut(&id).unwrap().entries.get_mut(&sequence).unwrap();
        entry.priority = priority.unwrap_or(entry.priority);
        if let Some(at) = at {
            self.set_state(id, sequence, if at > now { State::Delayed(at) } else { State::Ready });
        }
        self.touched.push(id);
        self.wind_up(now);
    }

    /// Moves a message to a queue, or back to where it died; answers whether it went.
    fn transfer(&mut self, id: u32, sequence: u64, to: Option<u32>, now: i64) -> Moved {
        let queue = &self.queues[&id];
        let entry = &queue.entries[&sequence];
        let mut letter = entry.letter.clone();
        if entry.priority != queue.priority(letter.priority) {
            letter.priority = Some(entry.priority);
        }
        let targets = match (to, letter.deaths.first().cloned()) {
            (Some(to), _) => {
                letter.exchange = String::new();
                letter.key = self.queues[&to].name.clone();
                vec![to]
            }
            (None, Some(Death { queue, exchange, key, .. })) => {
                (letter.exchange, letter.key) = (exchange, key);
                self.id(&queue)
                    .map_or_else(|| self.route(&letter.exchange, &letter.key, letter.headers), |id| vec![id])
            }
            (None, None) => Vec::new(),
        };
        if targets.is_empty() || targets.iter().any(|target| self.queues[target].refuses(&letter)) {
            return Moved::Stays;
        }
        if self.is_held(&targets) {
            return Moved::LogsFull;
        }
        self.take_out(id, sequence);
        self.store(&targets, &letter, 0, now);
        self.touched.extend(targets);
        Moved::Went
    }

    /// `None` is a queue that is not there; what is due in this one happens all the same.
    pub fn move_message(&mut self, id: u32, sequence: u64, to: Option<u32>, now: i64) -> Moved {
        let moved = to.map_or(Moved::Stays, |to| self.transfer(id, sequence, Some(to), now));
        self.touched.push(id);
        self.wind_up(now);
        moved
    }

    /// How many moved, or `None` where logs that take nothing more kept the first one from moving.
    pub fn redrive(&mut self, id: u32, max: usize, to: Option<u32>, now: i64) -> Option<u64> {
        let ready = self.queues[&id].entries.iter().filter(|(_, entry)| entry.state == State::Ready);
        let chosen: Vec<u64> = ready.map(|(sequence, _)| *sequence).take(max).collect();
        let mut went = 0;
        for (nth, sequence) in chosen.into_iter().enumerate() {
            match self.transfer(id, sequence, to, now) {
                Moved::Went => went += 1,
                Moved::Stays => {}
                Moved::LogsFull if nth == 0 => return None,
                Moved::LogsFull => break,
            }
        }
        self.touched.push(id);
        self.wind_up(now);
        Some(went)
    }

    /// The message is gone; what is at the head now is looked at with the next command.
    pub fn delete_message(&mut self, id: u32, sequence: u64) {
        self.take_out(id, sequence);
        self.regain();
        self.touched.push(id);
    }

    pub fn purge(&mut self, id: u32, now: i64) {
        let queue = self.queues.get_mut(&id).unwrap();
        queue.entries.retain(|_, entry| entry.state != State::Ready);
        queue.used = now;
        self.touched.push(id);
        self.wind_up(now);
    }
}
