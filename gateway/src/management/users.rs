//! Users: those of the one store that every door asks. Until there are any, `guest` is there alone.

use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use message::ErrorCode;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::listing::Listing;
use super::password::Password;
use super::{Management, permissions, requests};
use crate::auth::{GUEST, ScramHash, User, Verifier};
use crate::topics::{Created, UserChange};

/// The tag of those who may do everything.
pub const ADMINISTRATOR: &str = "administrator";
/// How RabbitMQ calls the way in which it keeps passwords; here it is SCRAM's.
const HASHING: &str = "scram";

fn described(name: &str, tags: &[&str], password_hash: &str) -> Value {
    json!({
        "name": name, "password_hash": password_hash, "hashing_algorithm": HASHING, "tags": tags, "limits": {},
    })
}

/// What a user is tagged with.
pub fn tags_of(user: &User) -> Vec<&str> {
    let administrator = user.admin.then_some(ADMINISTRATOR);
    let others = user.tags.iter().map(|tag| &**tag).filter(|tag| *tag != ADMINISTRATOR);
    administrator.into_iter().chain(others).collect()
}

/// All users. What their passwords are kept as is for definitions alone.
fn described_all(management: &Management, with_passwords: bool) -> Vec<Value> {
    let (_, identities) = management.topics().guard().seen();
    if !identities.has_users() {
        return vec![described(GUEST, &[ADMINISTRATOR], "")];
    }
    let describe = |user: &User| {
        let hash = if with_passwords { Password::text(&user.verifiers) } else { String::new() };
        described(&user.name, &tags_of(user), &hash)
    };
    identities.users().map(|user| describe(user)).collect()
}

/// All users, to be kept or brought elsewhere.
pub fn definitions(management: &Management) -> Vec<Value> {
    described_all(management, true)
}

/// Whether there is a user of that name.
pub fn is_known(management: &Management, name: &str) -> bool {
    let (_, identities) = management.topics().guard().seen();
    identities.user(name).is_some() || (name == GUEST && !identities.has_users())
}

/// `GET /api/users`
pub async fn list(management: Management, listing: Listing) -> Result<Response, Failure> {
    listing.all(described_all(&management, false))
}

/// `GET /api/users/without-permissions`
pub async fn without_permissions(management: Management, listing: Listing) -> Result<Response, Failure> {
    let permitted = permissions::all(&management);
    let has_none = |user: &Value| !permitted.iter().any(|permission| permission["user"] == user["name"]);
    listing.all(described_all(&management, false).into_iter().filter(has_none).collect())
}

/// `GET /api/users/{user}`
pub async fn one(
    management: Management,
    Path(user): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    let found = described_all(&management, false).into_iter().find(|known| known["name"] == user.as_str());
    found.map(|user| listing.one(user)).ok_or(Failure::NotFound)
}

/// `PUT /api/users/{user}`
pub async fn put(management: Management, Path(user): Path<String>, body: Body) -> Result<Response, Failure> {
    let object = management.object(body).await?;
    set(&management, &user, &object).await.map(requests::put)
}

/// What a body says of a user: its password and tags.
pub fn read(name: &str, object: &Map<String, Value>) -> Result<(Password, Vec<String>), Failure> {
    let tags = object.get("tags").ok_or_else(|| Failure::bad("tags_not_present"))?;
    let no_tags = || Failure::bad("tags is a list of texts, or one text with commas");
    let tags: Vec<&str> = match tags {
        Value::String(text) => text.split(',').map(str::trim).collect(),
        Value::Array(list) => {
            list.iter().map(|tag| tag.as_str().ok_or_else(no_tags)).collect::<Result<_, _>>()?
        }
        _ => return Err(no_tags()),
    };
    let tags = tags.into_iter().filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    Ok((Password::read(name, object)?, tags))
}

/// Makes a user, or changes one. As in RabbitMQ, one that comes without a password has none.
pub async fn set(
    management: &Management,
    name: &str,
    object: &Map<String, Value>,
) -> Result<Created, Failure> {
    let (password, tags) = read(name, object)?;
    let admin = tags.iter().any(|tag| tag == ADMINISTRATOR);
    let topics = management.topics();
    let (_, identities) = topics.guard().seen();
    let is_as_ever = password == Password::Missing || password == Password::Plain(GUEST.to_owned());
    if name == GUEST && admin && !identities.has_users() && is_as_ever {
        return Ok(Created::Same);
    }
    let first = if topics.guard().is_required() { None } else { Some(guest(management).await?) };
    let verifiers = match password {
        // A new one would end the user's connections.
        Password::Plain(password) if topics.has_password(name, password.clone()).await => None,
        Password::Plain(password) => Some(topics.hash_password(password, ScramHash::ALL.to_vec()).await?),
        Password::Kept(verifiers) => Some(verifiers),
        Password::Missing => Some(Vec::new()),
    };
    let verifiers = verifiers.filter(|new| identities.user(name).is_none_or(|user| user.verifiers != *new));
    let tags = tags.into_iter().filter(|tag| tag != ADMINISTRATOR).collect();
    let change = UserChange { verifiers, admin: Some(admin), groups: None, tags: Some(tags) };
    Ok(topics.put_user_after(first, name, change).await?)
}

/// The default user, to be kept from the first change of users on: tools go on as they began.
async fn guest(management: &Management) -> Result<User, Failure> {
    let hashed = management.topics().hash_password(GUEST.to_owned(), ScramHash::ALL.to_vec());
    let verifiers: Vec<Verifier> = hashed.await?;
    Ok(User { name: GUEST.into(), admin: true, verifiers, ..User::default() })
}

/// `DELETE /api/users/{user}`: with its permissions.
pub async fn delete(management: Management, Path(user): Path<String>) -> Result<Response, Failure> {
    if !is_known(&management, &user) {
        return Err(Failure::NotFound);
    }
    delete_all(&management, vec![user]).await
}

/// `POST /api/users/bulk-delete`
pub async fn bulk_delete(management: Management, body: Body) -> Result<Response, Failure> {
    let object = management.object(body).await?;
    let no_list = || Failure::bad("users is a list of names");
    let names = requests::needed(&object, "users")?.as_array().ok_or_else(no_list)?;
    let names = names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(no_list));
    let names: Vec<String> = names.collect::<Result<_, _>>()?;
    if let Some(stranger) = names.iter().find(|name| !is_known(&management, name)) {
        return Err(Failure::Bad(json!(["no_such_user", stranger])));
    }
    delete_all(&management, names).await
}

async fn delete_all(management: &Management, names: Vec<String>) -> Result<Response, Failure> {
    let topics = management.topics();
    let (_, identities) = topics.guard().seen();
    if !identities.has_users() && !names.is_empty() {
        return Err(Failure::bad("guest is there until there is another administrator; make one first"));
    }
    match topics.delete_users_with_rules(names).await {
        Err(refusal) if refusal.code == ErrorCode::UnknownUser => Err(Failure::NotFound),
        other => Ok(other.map(|()| requests::done())?),
    }
}
