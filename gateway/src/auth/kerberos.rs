//! SASL's GSSAPI (RFC 4752) on the server's side, with the Kerberos library of the system. Its keys come from the keytab
//! that `KRB5_KTNAME` names.

use std::time::Duration;

use libgssapi::context::{SecurityContext, ServerCtx};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::oid::{GSS_MECH_KRB5, OidSet};

/// The only security layer that is offered: none. What has to be secret goes through TLS.
const NO_LAYER: u8 = 1;
/// The layers that are offered, and the largest message under one: as there is none, nothing.
const OFFER: [u8; 4] = [NO_LAYER, 0, 0, 0];

/// One exchange.
#[derive(Debug)]
pub struct Negotiation {
    context: ServerCtx,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The client sends its tokens.
    Tokens,
    /// It was given the last one, and has nothing to say to it.
    Quiet,
    /// It chooses a security layer.
    Layer,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// The client has to answer this.
    Challenge(Vec<u8>),
    /// The client is known.
    Known {
        /// Whom its ticket names.
        principal: String,
        /// Whom it wants to act for; empty is itself.
        acts_for: String,
        /// How long the ticket is still good.
        lasts: Duration,
    },
}

/// Why an exchange ended.
#[derive(Debug, thiserror::Error)]
pub enum KerberosError {
    /// The library says so.
    #[error("Kerberos: {0}")]
    Library(#[from] libgssapi::error::Error),
    /// A message does not follow RFC 4752.
    #[error("a GSSAPI message is malformed")]
    Malformed,
    /// The client wants what is not offered.
    #[error("a security layer is not offered: use TLS")]
    Layer,
}

impl Negotiation {
    /// An exchange that waits for the client's first token. Takes milliseconds: the keytab is read.
    pub fn begin() -> Result<Negotiation, KerberosError> {
        // SASL's GSSAPI is Kerberos alone (RFC 4752, section 1). Left to choose, the library answers an empty token as
        // another mechanism's beginning.
        let mechanisms = OidSet::singleton(GSS_MECH_KRB5)?;
        let keys = Cred::acquire(None, None, CredUsage::Accept, Some(&mechanisms))?;
        Ok(Negotiation { context: ServerCtx::new(Some(keys)), stage: Stage::Tokens })
    }

    /// Takes a message of the client. Takes milliseconds.
    pub fn step(&mut self, message: &[u8]) -> Result<Next, KerberosError> {
        match self.stage {
            Stage::Tokens if message.is_empty() => Err(KerberosError::Malformed),
            Stage::Tokens => {
                let answer = self.context.step(message, None)?;
                match answer {
                    Some(token) => {
                        if self.context.is_complete() {
                            self.stage = Stage::Quiet;
                        }
                        Ok(Next::Challenge(token.to_vec()))
                    }
                    None => self.offer(),
                }
            }
            Stage::Quiet if message.is_empty() => self.offer(),
            Stage::Quiet => Err(KerberosError::Malformed),
            Stage::Layer => self.chosen(message),
        }
    }

    fn offer(&mut self) -> Result<Next, KerberosError> {
        self.stage = Stage::Layer;
        Ok(Next::Challenge(self.context.wrap(false, &OFFER)?.to_vec()))
    }

    fn chosen(&mut self, message: &[u8]) -> Result<Next, KerberosError> {
        let chosen = self.context.unwrap(message)?;
        let (head, acts_for) = chosen.split_first_chunk::<4>().ok_or(KerberosError::Malformed)?;
        if head[0] != NO_LAYER {
            return Err(KerberosError::Layer);
        }
        let acts_for = String::from_utf8(acts_for.to_vec()).map_err(|_| KerberosError::Malformed)?;
        let principal = self.context.source_name()?.to_string();
        Ok(Next::Known { principal, acts_for, lasts: self.context.lifetime()? })
    }
}
