use kafka_wire::messages::update_features::{
    FeatureUpdateKey, UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

use super::Call;
use super::api_versions::FEATURES;
use crate::kafka::error::{KafkaError, Wrong};
use crate::topics::Act;

/// From this version on there is one answer for all features.
const ONE_ANSWER_FROM: i16 = 2;

/// Features come with the version of the server (see ApiVersions): what they are already may be asked for.
pub async fn answer(call: &Call, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    if let Err(refusal) = call.door.topics().allow_on_server(Act::ChangeServer) {
        let Wrong { error, why } = refusal.into();
        return UpdateFeaturesResponse {
            error_code: error.0,
            error_message: Some(why),
            ..UpdateFeaturesResponse::default()
        };
    }
    let outcomes = request.feature_updates.into_iter().map(|update| {
        let outcome = check(&update);
        (update.feature, outcome)
    });
    if call.version >= ONE_ANSWER_FROM {
        let wrong = outcomes.filter_map(|(_, outcome)| outcome.err()).next();
        return wrong.map_or_else(UpdateFeaturesResponse::default, |Wrong { error, why }| {
            UpdateFeaturesResponse {
                error_code: error.0,
                error_message: Some(format!(
                    "The update failed for all features since the following feature had an error: {why}"
                )),
                ..UpdateFeaturesResponse::default()
            }
        });
    }
    let results = outcomes.map(|(feature, outcome)| {
        let wrong = outcome.err();
        UpdatableFeatureResult {
            feature,
            error_code: wrong.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
            error_message: wrong.map(|wrong| wrong.why),
        }
    });
    UpdateFeaturesResponse { results: results.collect(), ..UpdateFeaturesResponse::default() }
}

fn check(update: &FeatureUpdateKey) -> Result<(), Wrong> {
    let FeatureUpdateKey { feature, max_version_level, .. } = update;
    let why = match FEATURES.iter().find(|(name, _)| name == feature) {
        Some((_, version)) if version == max_version_level => return Ok(()),
        Some((_, version)) => {
            format!(
                "Invalid update version {max_version_level} for feature {feature}: this server has version {version}."
            )
        }
        None => {
            format!(
                "Invalid update version {max_version_level} for feature {feature}: this server does not have it."
            )
        }
    };
    Err(Wrong::new(KafkaError::INVALID_UPDATE_VERSION, why))
}
