//! Delegation tokens (KIP-48) over the Kafka protocol: made, renewed, ended, described, and logged in with.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use blackbox::deadline::until;
use blackbox::{Http, Kafka, Launch, Server, checkout};
use hmac::{Hmac, Mac};
use kafka_wire::messages::create_delegation_token::{
    CreatableRenewers, CreateDelegationTokenRequest, CreateDelegationTokenResponse,
};
use kafka_wire::messages::describe_delegation_token::{
    DescribeDelegationTokenOwner, DescribeDelegationTokenRequest,
};
use kafka_wire::messages::expire_delegation_token::ExpireDelegationTokenRequest;
use kafka_wire::messages::metadata::MetadataRequest;
use kafka_wire::messages::renew_delegation_token::RenewDelegationTokenRequest;
use kafka_wire::messages::sasl_authenticate::SaslAuthenticateRequest;
use kafka_wire::messages::sasl_handshake::SaslHandshakeRequest;
use serde_json::json;
use sha2::{Digest, Sha256};

const SASL_AUTHENTICATION_FAILED: i16 = 58;
const AUTH_DISABLED: i16 = 61;
const NOT_FOUND: i16 = 62;
const OWNER_MISMATCH: i16 = 63;
const REQUEST_NOT_ALLOWED: i16 = 64;
const AUTHORIZATION_FAILED: i16 = 65;
const EXPIRED: i16 = 66;
const INVALID_PRINCIPAL_TYPE: i16 = 67;

/// A server with users whose password is their name, tokens, and a log that alice may read.
async fn guarded(about: &str) -> (Server, Http) {
    std::fs::create_dir_all(checkout::scratch()).unwrap();
    let path = checkout::scratch().join(format!("{}-{about}.secret", std::process::id()));
    std::fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
    let settings = format!("delegation_token_secret_file = {:?}", path.display().to_string());
    let server = Server::launch(Launch::with_config(&format!("[auth]\nfailure_delay_ms = 0\n{settings}\n")));
    server.http().put("/v1/users/admin", json!({"password": "admin", "admin": true})).await.expect(201);
    let admin = server.http().logged_in("admin", "admin");
    for user in ["alice", "bob", "carol"] {
        admin.put(&format!("/v1/users/{user}"), json!({"password": user})).await.expect(201);
    }
    admin.put("/v1/topics/log", json!({"model": "log"})).await.expect(201);
    allow(&admin, "user:alice", "read", "topic", "log").await;
    (server, admin)
}

async fn allow(admin: &Http, principal: &str, operation: &str, kind: &str, name: &str) {
    let resource = json!({"type": kind, "name": name});
    let rule = json!({"principal": principal, "resource": resource, "operations": [operation]});
    admin.post("/v1/acls", json!({"rules": [rule]})).await.expect(200);
}

async fn known(server: &Server, user: &str) -> Kafka {
    let mut kafka = Kafka::connect(server).await;
    kafka.log_in(user, user).await;
    kafka
}

fn wanted(owner: &str, renewers: &[&str], max_lifetime_ms: i64) -> CreateDelegationTokenRequest {
    let renewer =
        |name: &&str| CreatableRenewers { principal_type: "User".into(), principal_name: (*name).into() };
    CreateDelegationTokenRequest {
        owner_principal_type: Some("User".into()),
        owner_principal_name: Some(owner.into()),
        renewers: renewers.iter().map(renewer).collect(),
        max_lifetime_ms,
    }
}

async fn token(kafka: &mut Kafka, renewers: &[&str]) -> CreateDelegationTokenResponse {
    let made = kafka.ask(3, &wanted("", renewers, -1)).await;
    assert_eq!(made.error_code, 0, "{made:?}");
    made
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// Logs in by SCRAM-SHA-256 as Kafka's clients do with a token; answers the error code and how long the login lasts.
async fn scram(kafka: &mut Kafka, id: &str, mac: &[u8], extension: &str) -> (i16, i64) {
    let mechanism = "SCRAM-SHA-256".to_owned();
    assert_eq!(kafka.ask(1, &SaslHandshakeRequest { mechanism }).await.error_code, 0);
    let bare = format!("n={id},r=fyko{extension}");
    let auth_bytes = format!("n,,{bare}").into_bytes().into();
    let first = kafka.ask(2, &SaslAuthenticateRequest { auth_bytes }).await;
    assert_eq!(first.error_code, 0, "everybody is challenged");
    let told = String::from_utf8(first.auth_bytes.to_vec()).unwrap();
    let field = |name: &str| told.split(',').find_map(|field| field.strip_prefix(name)).unwrap();
    let (nonce, salt) = (field("r="), BASE64.decode(field("s=")).unwrap());
    let mut salted = [0; 32];
    let password = BASE64.encode(mac);
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, field("i=").parse().unwrap(), &mut salted);
    let key = hmac(&salted, b"Client Key");
    let last = format!("c=biws,r={nonce}");
    let signature = hmac(&Sha256::digest(&key), format!("{bare},{told},{last}").as_bytes());
    let proof: Vec<u8> = key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
    let auth_bytes = format!("{last},p={}", BASE64.encode(proof)).into_bytes().into();
    let answer = kafka.ask(2, &SaslAuthenticateRequest { auth_bytes }).await;
    (answer.error_code, answer.session_lifetime_ms)
}

async fn holder(server: &Server, token: &CreateDelegationTokenResponse) -> Kafka {
    let mut kafka = Kafka::connect(server).await;
    let (error, lasts) = scram(&mut kafka, &token.token_id, &token.hmac, ",tokenauth=true").await;
    assert_eq!(error, 0);
    // A day, unless it is renewed.
    assert!((86_000_000..=86_400_000).contains(&lasts), "{lasts}");
    kafka
}

async fn login_error(server: &Server, token: &CreateDelegationTokenResponse, extension: &str) -> i16 {
    scram(&mut Kafka::connect(server).await, &token.token_id, &token.hmac, extension).await.0
}

async fn sees(kafka: &mut Kafka) -> Vec<String> {
    let all = MetadataRequest { topics: None, ..MetadataRequest::default() };
    kafka.ask(9, &all).await.topics.into_iter().filter_map(|topic| topic.name).collect()
}

#[tokio::test]
async fn whoever_holds_a_token_is_its_owner_until_it_is_ended() {
    let (server, _admin) = guarded("holder").await;
    let mut alice = known(&server, "alice").await;
    let made = token(&mut alice, &["bob"]).await;
    assert_eq!(
        (made.principal_name.as_str(), made.token_requester_principal_name.as_str()),
        ("alice", "alice")
    );
    assert_eq!(made.max_timestamp_ms - made.issue_timestamp_ms, 7 * 86_400_000);
    assert_eq!(made.expiry_timestamp_ms - made.issue_timestamp_ms, 86_400_000);
    let mut other = holder(&server, &made).await;
    assert_eq!(sees(&mut other).await, ["log"]);
    // It is no password, and another token's does not fit.
    assert_eq!(login_error(&server, &made, "").await, SASL_AUTHENTICATION_FAILED);
    let second = token(&mut alice, &[]).await;
    let mixed = CreateDelegationTokenResponse { token_id: second.token_id.clone(), ..made.clone() };
    assert_eq!(login_error(&server, &mixed, ",tokenauth=true").await, SASL_AUTHENTICATION_FAILED);
    // A token makes no others.
    assert_eq!(other.ask(3, &wanted("", &[], -1)).await.error_code, REQUEST_NOT_ALLOWED);
    // A renewer ends it, and who is in with it is out.
    let end = ExpireDelegationTokenRequest { hmac: made.hmac.clone(), expiry_time_period_ms: -1 };
    assert_eq!(known(&server, "bob").await.ask(2, &end).await.error_code, 0);
    assert!(other.receive_bare().await.is_none(), "its connection ends");
    assert_eq!(login_error(&server, &made, ",tokenauth=true").await, SASL_AUTHENTICATION_FAILED);
    assert_eq!(alice.ask(2, &end).await.error_code, NOT_FOUND);
    drop(holder(&server, &second).await);
}

#[tokio::test]
async fn a_token_is_renewed_shortened_and_over() {
    let (server, _admin) = guarded("renewed").await;
    let mut alice = known(&server, "alice").await;
    let made = token(&mut alice, &[]).await;
    let hmac = made.hmac.clone();
    let mut holder = holder(&server, &made).await;
    let longer = RenewDelegationTokenRequest { hmac: hmac.clone(), renew_period_ms: i64::MAX };
    let renewed = alice.ask(2, &longer).await;
    assert!(
        renewed.error_code == 0 && renewed.expiry_timestamp_ms >= made.expiry_timestamp_ms,
        "{renewed:?}"
    );
    assert!(
        renewed.expiry_timestamp_ms < made.max_timestamp_ms,
        "it is renewed by no more than is configured"
    );
    assert_eq!(sees(&mut holder).await, ["log"]);
    let mut bob = known(&server, "bob").await;
    let end = ExpireDelegationTokenRequest { hmac: hmac.clone(), expiry_time_period_ms: 0 };
    assert_eq!(bob.ask(2, &end).await.error_code, OWNER_MISMATCH);
    assert_eq!(bob.ask(2, &longer).await.error_code, OWNER_MISMATCH);
    assert_eq!(alice.ask(2, &end).await.error_code, 0);
    assert!(holder.receive_bare().await.is_none(), "its connection ends");
    assert_eq!(alice.ask(2, &longer).await.error_code, EXPIRED);
    assert_eq!(alice.ask(2, &end).await.error_code, EXPIRED);
    let unknown = RenewDelegationTokenRequest { hmac: vec![1, 2, 3].into(), renew_period_ms: -1 };
    assert_eq!(alice.ask(1, &unknown).await.error_code, NOT_FOUND);
    // One that may last for no longer than a moment.
    let short = alice.ask(3, &wanted("", &[], 1)).await;
    assert_eq!(short.max_timestamp_ms - short.issue_timestamp_ms, 1);
    let renew = RenewDelegationTokenRequest { hmac: short.hmac.clone(), renew_period_ms: -1 };
    let alice = tokio::sync::Mutex::new(alice);
    until("the token is over", || async {
        (alice.lock().await.ask(2, &renew).await.error_code == EXPIRED).then_some(())
    })
    .await;
    assert_eq!(login_error(&server, &short, ",tokenauth=true").await, SASL_AUTHENTICATION_FAILED);
}

#[tokio::test]
async fn tokens_for_others_and_of_others_need_rules() {
    let (server, admin) = guarded("rules").await;
    let mut bob = known(&server, "bob").await;
    assert_eq!(bob.ask(3, &wanted("alice", &[], -1)).await.error_code, AUTHORIZATION_FAILED);
    allow(&admin, "user:bob", "create_tokens", "user", "User:alice").await;
    let made = bob.ask(3, &wanted("alice", &["carol"], -1)).await;
    assert_eq!((made.error_code, made.principal_name.as_str()), (0, "alice"));
    assert_eq!(made.token_requester_principal_name, "bob");
    assert_eq!(bob.ask(3, &wanted("carol", &[], -1)).await.error_code, AUTHORIZATION_FAILED);
    assert_eq!(sees(&mut holder(&server, &made).await).await, ["log"]);
    let mut odd = wanted("", &["carol"], -1);
    odd.renewers[0].principal_type = "Group".into();
    assert_eq!(bob.ask(3, &odd).await.error_code, INVALID_PRINCIPAL_TYPE);

    let shown = async |user: &str, owners: Option<&[&str]>| {
        let owner = |name: &&str| DescribeDelegationTokenOwner {
            principal_type: "User".into(),
            principal_name: (*name).into(),
        };
        let owners = owners.map(|owners| owners.iter().map(owner).collect());
        let told = known(&server, user).await.ask(3, &DescribeDelegationTokenRequest { owners }).await;
        assert_eq!(told.error_code, 0);
        told.tokens
    };
    for user in ["alice", "bob", "carol", "admin"] {
        let tokens = shown(user, None).await;
        assert_eq!(tokens.len(), 1, "{user}");
        assert_eq!((&tokens[0].hmac, &tokens[0].token_id), (&made.hmac, &made.token_id));
        assert_eq!(tokens[0].renewers[0].principal_name, "carol");
        assert_eq!(tokens[0].expiry_timestamp, made.expiry_timestamp_ms);
    }
    assert_eq!(shown("alice", Some(&["alice"])).await.len(), 1);
    assert_eq!(shown("alice", Some(&["admin"])).await.len(), 0);
    assert_eq!(shown("alice", Some(&[])).await.len(), 0);
    for (user, operation, kind, name) in [
        ("dora", "describe_tokens", "user", "User:alice"),
        ("emil", "describe", "delegation_token", &made.token_id),
    ] {
        admin.put(&format!("/v1/users/{user}"), json!({"password": user})).await.expect(201);
        assert_eq!(shown(user, None).await.len(), 0);
        allow(&admin, &format!("user:{user}"), operation, kind, name).await;
        assert_eq!(shown(user, None).await.len(), 1);
    }
    // Whoever is gone leaves no way in.
    let mut holder = holder(&server, &made).await;
    admin.delete("/v1/users/bob").await.expect(204);
    assert!(holder.receive_bare().await.is_none());
    assert_eq!(shown("alice", None).await.len(), 0);
}

#[tokio::test]
async fn tokens_outlive_the_server_and_their_passwords_are_written_nowhere() {
    let (mut server, _admin) = guarded("kept").await;
    let mut alice = known(&server, "alice").await;
    let (made, ended) = (token(&mut alice, &[]).await, token(&mut alice, &[]).await);
    let end = ExpireDelegationTokenRequest { hmac: ended.hmac.clone(), expiry_time_period_ms: -1 };
    assert_eq!(alice.ask(2, &end).await.error_code, 0);
    server.crash();
    assert_eq!(sees(&mut holder(&server, &made).await).await, ["log"]);
    assert_eq!(login_error(&server, &ended, ",tokenauth=true").await, SASL_AUTHENTICATION_FAILED);
    let secrets = [made.hmac.to_vec(), BASE64.encode(&made.hmac).into_bytes(), b"0123456789abcdef".to_vec()];
    let mut places = vec![server.data_dir()];
    let mut texts = vec![server.log().into_bytes()];
    while let Some(place) = places.pop() {
        if place.is_dir() {
            places.extend(std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            texts.push(std::fs::read(place).unwrap());
        }
    }
    assert!(texts.iter().any(|text| text.windows(22).any(|part| part == made.token_id.as_bytes())));
    for secret in &secrets {
        assert!(!texts.iter().any(|text| text.windows(secret.len()).any(|part| part == secret)));
    }
}

#[tokio::test]
async fn without_logins_or_without_a_key_there_are_none() {
    let server = Server::start();
    let mut kafka = Kafka::connect(&server).await;
    let hmac = bytes::Bytes::from_static(b"x");
    let (renew, end) = (
        RenewDelegationTokenRequest { hmac: hmac.clone(), renew_period_ms: -1 },
        ExpireDelegationTokenRequest { hmac, expiry_time_period_ms: -1 },
    );
    let describe = DescribeDelegationTokenRequest { owners: None };
    let told = async |kafka: &mut Kafka| {
        [
            kafka.ask(3, &wanted("", &[], -1)).await.error_code,
            kafka.ask(2, &renew).await.error_code,
            kafka.ask(2, &end).await.error_code,
            kafka.ask(3, &describe).await.error_code,
        ]
    };
    assert_eq!(told(&mut kafka).await, [REQUEST_NOT_ALLOWED; 4]);
    server.http().put("/v1/users/admin", json!({"password": "admin", "admin": true})).await.expect(201);
    assert_eq!(told(&mut known(&server, "admin").await).await, [AUTH_DISABLED; 4]);
}
