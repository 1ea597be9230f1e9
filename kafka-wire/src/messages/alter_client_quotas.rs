//! AlterClientQuotas.

api! { AlterClientQuotasRequest => AlterClientQuotasResponse, key 49, versions 0..=1, flexible 1 }

message! { AlterClientQuotasRequest {
    entries: Vec<EntryData> [..];
    validate_only: bool [..];
} }

message! { EntryData {
    entity: Vec<EntityData> [..];
    ops: Vec<OpData> [..];
} }

message! { EntityData {
    entity_type: String [..];
    entity_name: Option<String> [..] = Some(String::default());
} }

message! { OpData {
    key: String [..];
    value: f64 [..];
    remove: bool [..];
} }

message! { AlterClientQuotasResponse {
    throttle_time_ms: i32 [..];
    entries: Vec<ResponseEntryData> [..];
} }

message! { ResponseEntryData {
    error_code: i16 [..];
    error_message: Option<String> [..];
    entity: Vec<ResponseEntityData> [..];
} }

message! { ResponseEntityData {
    entity_type: String [..];
    entity_name: Option<String> [..] = Some(String::default());
} }
