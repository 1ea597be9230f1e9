//! Prints `docs/kafka-compatibility.md` from the registrations.

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::APIS;

    /// What Kafka 4.2 has for clients and tools, and is not answered here: name, key, why.
    const NOT_ANSWERED: &[(i16, &str, &str)] = &[
        (83, "InitializeShareGroupState", PERSISTER),
        (84, "ReadShareGroupState", PERSISTER),
        (85, "WriteShareGroupState", PERSISTER),
        (86, "DeleteShareGroupState", PERSISTER),
        (87, "ReadShareGroupStateSummary", PERSISTER),
    ];
    const PERSISTER: &str = "Only brokers send it, to the broker that keeps share groups' state. Here it is in the journal of the one broker.";

    fn page() -> String {
        let mut page = String::from(
            "# Kafka compatibility\n\n\
         What the Kafka door answers, API by API. This page is printed from the registrations in\n\
         `gateway/src/kafka/api.rs` by a test (`UPDATE=1 cargo test -p sluice compatibility`), and ApiVersions is\n\
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
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kafka-compatibility.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let printed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            printed == page(),
            "docs/kafka-compatibility.md is stale: run `UPDATE=1 cargo test -p sluice compatibility`"
        );
    }

    #[test]
    fn nothing_is_both_answered_and_not() {
        for (key, name, _) in NOT_ANSWERED {
            assert!(super::super::find(*key).is_none(), "{name} is answered by now");
        }
    }
}
