//! SCRAM passwords of users, described and altered (KIP-554).

use std::collections::HashSet;

use kafka_wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult,
    ScramCredentialUpsertion,
};
use kafka_wire::messages::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
};

use super::{Call, repeated};
use crate::auth::{ScramHash, User, Verifier};
use crate::kafka::error::{KafkaError, Wrong};

/// As Kafka has them.
const ITERATIONS: std::ops::RangeInclusive<i32> = 4096..=16384;

fn hash(mechanism: i8) -> Result<ScramHash, Wrong> {
    match mechanism {
        1 => Ok(ScramHash::Sha256),
        2 => Ok(ScramHash::Sha512),
        _ => Err(Wrong::new(KafkaError::UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism")),
    }
}

fn mechanism(hash: ScramHash) -> i8 {
    match hash {
        ScramHash::Sha256 => 1,
        ScramHash::Sha512 => 2,
    }
}

pub async fn describe(
    call: &Call,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let identities = match call.door.topics().identities() {
        Ok(identities) => identities,
        Err(refusal) => {
            let Wrong { error, why } = refusal.into();
            let (error_code, error_message) = (error.0, Some(why));
            return DescribeUserScramCredentialsResponse { error_code, error_message, ..Default::default() };
        }
    };
    let infos = |user: &User| -> Vec<CredentialInfo> {
        let info = |verifier: &Verifier| CredentialInfo {
            mechanism: mechanism(verifier.hash),
            iterations: i32::try_from(verifier.iterations).unwrap_or(i32::MAX),
        };
        user.verifiers.iter().map(info).collect()
    };
    let known = |name: String| {
        let found = identities.user(&name).map(|user| infos(user)).filter(|infos| !infos.is_empty());
        let (error_code, error_message) = match &found {
            Some(_) => (KafkaError::NONE.0, None),
            None => {
                let why = "Attempt to describe a user credential that does not exist";
                (KafkaError::RESOURCE_NOT_FOUND.0, Some(format!("{why}: {name}")))
            }
        };
        let credential_infos = found.unwrap_or_default();
        DescribeUserScramCredentialsResult { user: name, error_code, error_message, credential_infos }
    };
    let names: Vec<String> = match request.users {
        Some(users) if !users.is_empty() => users.into_iter().map(|user| user.name).collect(),
        _ => {
            let with_password = identities.users().filter(|user| !user.verifiers.is_empty());
            with_password.map(|user| user.name.to_string()).collect()
        }
    };
    let twice = repeated(names.iter().cloned());
    let once = |name: String| match twice.contains(&name) {
        true => DescribeUserScramCredentialsResult {
            error_code: KafkaError::DUPLICATE_RESOURCE.0,
            error_message: Some(format!("the request names {name:?} more than once")),
            user: name,
            ..Default::default()
        },
        false => known(name),
    };
    let mut seen = HashSet::new();
    let names = names.into_iter().filter(|name| seen.insert(name.clone()));
    DescribeUserScramCredentialsResponse { results: names.map(once).collect(), ..Default::default() }
}

pub async fn alter(
    call: &Call,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    // One result for each user: the first change that fails is what is told, and ends its others.
    let mut results: Vec<AlterUserScramCredentialsResult> = Vec::new();
    for deletion in request.deletions {
        if has_failed(&results, &deletion.name) {
            continue;
        }
        let outcome = match hash(deletion.mechanism) {
            Ok(hash) => call.door.topics().set_scram(&deletion.name, hash, None).await.map_err(Wrong::from),
            Err(wrong) => Err(wrong),
        };
        tell(&mut results, deletion.name, outcome);
    }
    for upsertion in request.upsertions {
        if has_failed(&results, &upsertion.name) {
            continue;
        }
        let outcome = match verifier(&upsertion) {
            Ok(verifier) => {
                let set = call.door.topics().set_scram(&upsertion.name, verifier.hash, Some(verifier));
                set.await.map_err(Wrong::from)
            }
            Err(wrong) => Err(wrong),
        };
        tell(&mut results, upsertion.name, outcome);
    }
    AlterUserScramCredentialsResponse { results, ..Default::default() }
}

fn has_failed(results: &[AlterUserScramCredentialsResult], user: &str) -> bool {
    results.iter().any(|told| told.user == user && told.error_code != KafkaError::NONE.0)
}

fn tell(results: &mut Vec<AlterUserScramCredentialsResult>, user: String, outcome: Result<(), Wrong>) {
    let result = told(user, outcome);
    match results.iter_mut().find(|told| told.user == result.user) {
        Some(told) => *told = result,
        None => results.push(result),
    }
}

fn told(user: String, outcome: Result<(), Wrong>) -> AlterUserScramCredentialsResult {
    match outcome {
        Ok(()) => AlterUserScramCredentialsResult { user, error_code: 0, error_message: None },
        Err(Wrong { error, why }) => {
            AlterUserScramCredentialsResult { user, error_code: error.0, error_message: Some(why) }
        }
    }
}

fn verifier(upsertion: &ScramCredentialUpsertion) -> Result<Verifier, Wrong> {
    let unacceptable = |why: &str| Wrong::new(KafkaError::UNACCEPTABLE_CREDENTIAL, why);
    let hash = hash(upsertion.mechanism)?;
    if upsertion.name.is_empty() {
        return Err(unacceptable("Username must not be empty"));
    }
    if upsertion.iterations < *ITERATIONS.start() {
        return Err(unacceptable("Too few iterations"));
    }
    if upsertion.iterations > *ITERATIONS.end() {
        return Err(unacceptable("Too many iterations"));
    }
    // What was salted with is kept as it is, as far as it can be read again.
    let (salt, salted) = (upsertion.salt.to_vec(), &upsertion.salted_password);
    if !(1..=Verifier::SALT_BYTES).contains(&salt.len()) {
        return Err(unacceptable(&format!("The salt has to have 1 to {} bytes", Verifier::SALT_BYTES)));
    }
    Ok(Verifier::of_salted(hash, salted, salt, upsertion.iterations.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salted(salt: usize, password: usize) -> Result<Verifier, Wrong> {
        verifier(&ScramCredentialUpsertion {
            name: "alice".into(),
            mechanism: 1,
            iterations: 8192,
            salt: vec![7; salt].into(),
            salted_password: vec![7; password].into(),
        })
    }

    /// As with Apache Kafka, a client salts as it likes, and only what it can prove counts; but what is taken can be read
    /// again after a restart.
    #[test]
    fn salted_passwords_of_any_length_are_taken() {
        for (salt, password) in [(1, 0), (7, 18), (Verifier::SALT_BYTES, 32), (20, 1000)] {
            let made = salted(salt, password).ok().unwrap();
            assert_eq!(Verifier::parse(&made.to_string()), Some(made), "{salt}, {password}");
        }
        assert!(salted(0, 32).is_err());
        assert!(salted(Verifier::SALT_BYTES + 1, 32).is_err());
    }
}
