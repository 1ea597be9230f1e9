//! DescribeClientQuotas.

api! { DescribeClientQuotasRequest => DescribeClientQuotasResponse, key 48, versions 0..=1, flexible 1 }

message! { DescribeClientQuotasRequest {
    components: Vec<ComponentData> [..];
    strict: bool [..];
} }

message! { ComponentData {
    entity_type: String [..];
    match_type: i8 [..];
    matching: Option<String> [..] = Some(String::default());
} }

message! { DescribeClientQuotasResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    entries: Option<Vec<EntryData>> [..] = Some(Vec::default());
} }

message! { EntryData {
    entity: Vec<EntityData> [..];
    values: Vec<ValueData> [..];
} }

message! { EntityData {
    entity_type: String [..];
    entity_name: Option<String> [..] = Some(String::default());
} }

message! { ValueData {
    key: String [..];
    value: f64 [..];
} }
