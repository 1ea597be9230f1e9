//! What administrators do.

use kafka_clients::{PATIENCE, admin, commit, consumer, make_topic, name, producer, sent, shared, take};
use rdkafka::admin::{
    AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode;

#[tokio::test]
async fn topics_are_made_changed_and_deleted() {
    let (broker, topic) = (shared(), name("administered"));
    let (admin, options) = (admin(&broker), AdminOptions::new());
    make_topic(&broker, &topic, 2, &[("cleanup.policy", "compact"), ("segment.bytes", "1048576")]).await;
    let again = NewTopic::new(&topic, 2, TopicReplication::Fixed(1));
    let refused = admin.create_topics(&[again], &options).await.expect("an answer").remove(0);
    assert_eq!(refused, Err((topic.clone(), RDKafkaErrorCode::TopicAlreadyExists)));
    for (wrong, code) in [
        (
            NewTopic::new("replicated", 1, TopicReplication::Fixed(3)),
            RDKafkaErrorCode::InvalidReplicationFactor,
        ),
        (NewTopic::new("none", 0, TopicReplication::Fixed(1)), RDKafkaErrorCode::InvalidPartitions),
        (NewTopic::new("a/b", 1, TopicReplication::Fixed(1)), RDKafkaErrorCode::InvalidTopic),
        (
            NewTopic::new("set", 1, TopicReplication::Fixed(1)).set("cleanup.policy", "burn"),
            RDKafkaErrorCode::InvalidConfig,
        ),
    ] {
        let told = admin.create_topics(&[wrong], &options).await.expect("an answer").remove(0);
        assert_eq!(told.expect_err("it is refused").1, code);
    }
    let resource = ResourceSpecifier::Topic(&topic);
    let config = async || {
        let described = admin.describe_configs(&[resource], &options).await.expect("an answer").remove(0);
        let described = described.expect("it is there");
        let value =
            |name: &str| described.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
        [value("cleanup.policy"), value("segment.bytes"), value("retention.ms")]
    };
    assert_eq!(config().await, ["compact", "1048576", "604800000"]);
    let change = AlterConfig::new(resource).set("retention.ms", "60000");
    admin.alter_configs(&[change], &options).await.expect("an answer").remove(0).expect("it is changed");
    assert_eq!(config().await, ["delete", "1073741824", "60000"], "what is not named is the default again");
    let more = NewPartitions::new(&topic, 5);
    admin.create_partitions(&[more], &options).await.expect("an answer").remove(0).expect("there are more");
    let metadata = admin.inner().fetch_metadata(Some(&topic), PATIENCE).expect("metadata");
    assert_eq!(metadata.topics()[0].partitions().len(), 5);
    assert_eq!(metadata.brokers().len(), 1);
    let fewer = admin.create_partitions(&[NewPartitions::new(&topic, 3)], &options).await.expect("an answer");
    assert_eq!(fewer[0], Err((topic.clone(), RDKafkaErrorCode::InvalidPartitions)));
    assert_eq!(admin.delete_topics(&[&topic], &options).await.expect("an answer"), [Ok(topic.clone())]);
    let gone = admin.delete_topics(&[&topic], &options).await.expect("an answer");
    assert_eq!(gone, [Err((topic, RDKafkaErrorCode::UnknownTopicOrPartition))]);
}

#[tokio::test]
async fn groups_are_listed_and_deleted() {
    let (broker, topic, group) = (shared(), name("administered"), name("administered"));
    make_topic(&broker, &topic, 1, &[]).await;
    sent(&producer(&broker, &[]), &topic, None, ["one".to_owned()]).await;
    let reader = consumer(&broker, &group, &[("client.id", "who reads")]);
    reader.subscribe(&[&topic]).expect("a subscription");
    take(&reader, 1);
    commit(&reader);
    let admin = admin(&broker);
    let listed = admin.inner().fetch_group_list(Some(&group), PATIENCE).expect("groups");
    let [one] = listed.groups() else { panic!("one group is listed") };
    assert_eq!((one.state(), one.members().len(), one.members()[0].client_id()), ("Stable", 1, "who reads"));
    let delete =
        async || admin.delete_groups(&[&group], &AdminOptions::new()).await.expect("an answer").remove(0);
    assert_eq!(delete().await, Err((group.clone(), RDKafkaErrorCode::NonEmptyGroup)));
    reader.unsubscribe();
    drop(reader);
    assert_eq!(delete().await, Ok(group.clone()));
    assert_eq!(delete().await, Err((group.clone(), RDKafkaErrorCode::GroupIdNotFound)));
}
