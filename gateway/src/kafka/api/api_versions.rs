use bytes::Bytes;
use kafka_wire::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_wire::{Request, Version, Wire, Writer, write_response_header};

use super::Call;
use super::registrations::APIS;
use crate::kafka::error::KafkaError;

/// Features (KIP-584) that clients look for, and their versions: groups whose partitions the server shares out (KIP-848),
/// transactions with an epoch each (KIP-890), share groups (KIP-932).
pub const FEATURES: &[(&str, i16)] =
    &[("group.version", 1), ("share.version", 1), ("transaction.version", 2)];

pub async fn answer(_: &Call, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let mut response = ApiVersionsResponse { api_keys: versions(), ..ApiVersionsResponse::default() };
    for (name, version) in FEATURES {
        let (name, max_version) = ((*name).to_owned(), *version);
        response.supported_features.push(SupportedFeatureKey {
            name: name.clone(),
            min_version: 0,
            max_version,
        });
        let (max_version_level, min_version_level) = (max_version, max_version);
        response.finalized_features.push(FinalizedFeatureKey { name, max_version_level, min_version_level });
    }
    // It comes with the version of the broker and does not change while that runs.
    response.finalized_features_epoch = 0;
    if is_odd(&request.client_software_name) || is_odd(&request.client_software_version) {
        response.error_code = KafkaError::INVALID_REQUEST.0;
    }
    response
}

/// Names are letters and digits, with `-` and `.` inside (KIP-511); older versions send none.
fn is_odd(name: &str) -> bool {
    let inside = |byte: char| byte.is_ascii_alphanumeric() || matches!(byte, '-' | '.');
    name.contains(|byte| !inside(byte)) || name.starts_with(['-', '.']) || name.ends_with(['-', '.'])
}

fn versions() -> Vec<ApiVersion> {
    let told = |api: &super::Api| ApiVersion {
        api_key: api.key,
        min_version: *api.advertised.start(),
        max_version: *api.advertised.end(),
    };
    APIS.iter().map(told).collect()
}

/// The answer to a version that is not known here: in version 0, with the versions that would be.
pub fn unsupported(correlation_id: i32) -> Vec<Bytes> {
    let own = versions().into_iter().filter(|version| version.api_key == ApiVersionsRequest::KEY);
    let response = ApiVersionsResponse {
        error_code: KafkaError::UNSUPPORTED_VERSION.0,
        api_keys: own.collect(),
        ..ApiVersionsResponse::default()
    };
    let mut writer = Writer::frame();
    write_response_header(&mut writer, correlation_id, false);
    response.write(&mut writer, Version::of::<ApiVersionsRequest>(0));
    writer.finish_frame()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_follow_the_rules() {
        for good in ["", "librdkafka", "apache-kafka-java", "2.8.0-rc1"] {
            assert!(!is_odd(good), "{good:?}");
        }
        for odd in ["-x", "x-", "x y", "é", "x\n"] {
            assert!(is_odd(odd), "{odd:?}");
        }
    }
}
