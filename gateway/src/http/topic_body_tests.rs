use super::*;
use serde_json::json;

fn queue(settings: Value) -> TopicDescription {
    TopicDescription {
        policy: None,
        operator_policy: None,
        effective: None,
        name: "q".into(),
        model: Model::Queue,
        queue: Some(serde_json::from_value(settings).unwrap()),
        log: None,
        queue_stats: None,
        partitions: None,
    }
}

#[test]
fn a_topic_is_made_as_its_body_says() {
    let made = spec(json!({"model": "queue", "queue": {"max_length": 5}})).unwrap();
    assert!(matches!(made, TopicSpec::Queue(settings) if settings.max_length == Some(5)));
    let made = spec(json!({"model": "log"})).unwrap();
    assert_eq!(made, TopicSpec::Log(LogSettings::default()));
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let field = |body| spec(body).unwrap_err().field.unwrap();
    assert_eq!(field(json!({})), "/model");
    assert_eq!(field(json!({"model": "stack"})), "/model");
    assert_eq!(field(json!({"model": "queue", "log": {}})), "/log");
    assert_eq!(field(json!({"model": "queue", "queue": {"max_lenght": 1}})), "/queue/max_lenght");
    assert_eq!(field(json!({"model": "queue", "queue": {"overflow": "spill"}})), "/queue/overflow");
    assert_eq!(field(json!({"model": "queue", "queue": {"max_length": null}})), "/queue/max_length");
    assert_eq!(field(json!({"model": "queue", "queue": {"lease_ms": 0}})), "/queue/lease_ms");
    assert_eq!(field(json!({"model": "log", "log": {"partitions": 0}})), "/log/partitions");
    assert_eq!(field(json!([])), "");
}

#[test]
fn a_change_keeps_what_it_does_not_name() {
    let have = queue(json!({"max_length": 5, "delivery_limit": 2, "lease_ms": 7}));
    let change = json!({"queue": {"max_length": 9, "delivery_limit": null, "lease_ms": null}});
    check_change(&change).unwrap();
    let TopicPatch::Queue(settings) = patch(change, &have).unwrap() else { panic!("a queue's change") };
    assert_eq!((settings.max_length, settings.delivery_limit, settings.lease_ms), (Some(9), None, 30_000));
    let other = patch(json!({"log": {"partitions": 2}}), &have).unwrap_err();
    assert_eq!(other.code, ErrorCode::WrongModel);
}

#[test]
fn a_change_is_checked_before_anything_is_looked_up() {
    let field = |body| check_change(&body).unwrap_err().field.unwrap();
    assert_eq!(field(json!({"queue": {"nonsense": null}})), "/queue/nonsense");
    assert_eq!(field(json!({"queue": {"max_length": "x"}})), "/queue/max_length");
    assert_eq!(field(json!({"queue": 1})), "/queue");
    assert_eq!(field(json!({"queue": {}, "log": {}})), "/log");
    assert_eq!(field(json!({"log": {"partitions": 0}})), "/log/partitions");
    assert_eq!(field(json!({"stack": {}})), "/stack");
    check_change(&json!({"log": {"config": {"retention.ms": null}}})).unwrap();
}
