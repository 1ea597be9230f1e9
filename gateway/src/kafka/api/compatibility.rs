//! Prints `docs/kafka-compatibility.md` from the registrations.

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::registrations::APIS;

    /// What Kafka 4.2 has for clients and tools, and is not answered here: name, key, why.
    const NOT_ANSWERED: &[(i16, &str, &str)] = &[
        (64, "UnregisterBroker", ONE_NODE),
        (71, "GetTelemetrySubscriptions", TELEMETRY),
        (72, "PushTelemetry", TELEMETRY),
        (80, "AddRaftVoter", ONE_NODE),
        (81, "RemoveRaftVoter", ONE_NODE),
        (83, "InitializeShareGroupState", PERSISTER),
        (84, "ReadShareGroupState", PERSISTER),
        (85, "WriteShareGroupState", PERSISTER),
        (86, "DeleteShareGroupState", PERSISTER),
        (87, "ReadShareGroupStateSummary", PERSISTER),
        (88, "StreamsGroupHeartbeat", STREAMS),
        (89, "StreamsGroupDescribe", STREAMS),
    ];
    const ONE_NODE: &str = "There is one node, which is the cluster.";
    const TELEMETRY: &str =
        "Kafka announces it only where a plugin takes the metrics of clients (KIP-714); here is none.";
    const STREAMS: &str = "Kafka Streams with `group.protocol=streams` (KIP-1071) is not there; with `classic`, its default, it is.";
    const PERSISTER: &str = "Only brokers send it, to the broker that keeps share groups' state. Here it is in the journal of the one broker.";

    fn page() -> String {
        let mut page = String::from(
            "# Kafka compatibility\n\n\
         What the Kafka door answers, API by API. This page is printed from the registrations in\n\
         `gateway/src/kafka/api/registrations.rs` by a test (`UPDATE=1 cargo test -p sluice compatibility`), and ApiVersions is\n\
         answered from the same table, so neither can say what is not so.\n\n\
         | key | API | versions | remarks |\n|---|---|---|---|\n",
        );
        for api in APIS {
            let versions = format!("{}–{}", api.advertised.start(), api.advertised.end());
            let _ = writeln!(page, "| {} | {} | {versions} | {} |", api.key, api.name, api.note);
        }
        page.push_str("\n## Not answered\n\nThese are not announced, so clients do without. Who sends one all the same is disconnected.\n\n| key | API | why |\n|---|---|---|\n");
        for (key, name, why) in NOT_ANSWERED {
            let _ = writeln!(page, "| {key} | {name} | {why} |");
        }
        page
    }

    #[test]
    fn the_printed_compatibility_is_current() {
        crate::printed::page("kafka-compatibility.md", &page());
    }

    /// The APIs that a broker of Kafka 4.2 announces to clients, with the newest stable version of each.
    const KAFKA_4_2: &[(i16, i16)] = &[
        (0, 13),
        (1, 18),
        (2, 11),
        (3, 13),
        (8, 10),
        (9, 10),
        (10, 6),
        (11, 9),
        (12, 4),
        (13, 5),
        (14, 5),
        (15, 6),
        (16, 5),
        (17, 1),
        (18, 4),
        (19, 7),
        (20, 6),
        (21, 2),
        (22, 5),
        (23, 4),
        (24, 5),
        (25, 4),
        (26, 5),
        (27, 2),
        (28, 5),
        (29, 3),
        (30, 3),
        (31, 3),
        (32, 4),
        (33, 2),
        (34, 2),
        (35, 4),
        (36, 2),
        (37, 3),
        (38, 3),
        (39, 2),
        (40, 2),
        (41, 3),
        (42, 2),
        (43, 2),
        (44, 1),
        (45, 1),
        (46, 0),
        (47, 0),
        (48, 1),
        (49, 1),
        (50, 0),
        (51, 0),
        (55, 2),
        (57, 2),
        (60, 2),
        (61, 0),
        (64, 0),
        (65, 0),
        (66, 2),
        (68, 1),
        (69, 1),
        (71, 0),
        (72, 0),
        (74, 1),
        (75, 0),
        (76, 1),
        (77, 1),
        (78, 2),
        (79, 2),
        (80, 1),
        (81, 0),
        (83, 0),
        (84, 0),
        (85, 1),
        (86, 0),
        (87, 1),
        (88, 0),
        (89, 0),
        (90, 1),
        (91, 0),
        (92, 0),
    ];

    #[test]
    fn every_api_of_kafka_is_answered_in_its_newest_version_or_explained() {
        for (key, newest) in KAFKA_4_2 {
            match super::super::find(*key) {
                Some(api) => assert_eq!(api.advertised.end(), newest, "{}", api.name),
                None => assert!(NOT_ANSWERED.iter().any(|(known, ..)| known == key), "API {key}"),
            }
        }
    }

    #[test]
    fn nothing_is_both_answered_and_not() {
        for (key, name, _) in NOT_ANSWERED {
            assert!(super::super::find(*key).is_none(), "{name} is answered by now");
        }
    }
}
