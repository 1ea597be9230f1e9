//! The settings of groups.

use kafka_wire::messages::describe_configs::{DescribeConfigsResourceResult, DescribeConfigsSynonym};

use super::{Call, configs, groups};
use crate::kafka::error::Wrong;
use crate::topics::{ConfigChange, GroupSetting, Mode, Others};

/// Kinds of values.
const STRING: i8 = 2;
const INT: i8 = 3;

/// Every setting that a group of that name has, or would have.
pub async fn describe(
    call: &Call,
    name: &str,
    synonyms: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, Wrong> {
    let group = groups::named(name)?;
    let settings = call.door.topics().group_settings(&group).await?;
    Ok(settings.into_iter().map(|setting| told(setting, synonyms)).collect())
}

fn told(setting: GroupSetting, synonyms: bool) -> DescribeConfigsResourceResult {
    let source = if setting.is_chosen { configs::DYNAMIC_GROUP_CONFIG } else { configs::DEFAULT_CONFIG };
    let name = setting.name.to_owned();
    let synonym = DescribeConfigsSynonym { name: name.clone(), value: Some(setting.value.clone()), source };
    DescribeConfigsResourceResult {
        config_source: source,
        config_type: if setting.name.ends_with(".ms") { INT } else { STRING },
        synonyms: if synonyms { vec![synonym] } else { Vec::new() },
        name,
        value: Some(setting.value),
        ..DescribeConfigsResourceResult::default()
    }
}

/// Changes settings of a group, or only says whether that would do.
pub async fn change(
    call: &Call,
    name: &str,
    changes: Vec<(String, ConfigChange)>,
    others: Others,
    only_check: bool,
) -> Result<(), Wrong> {
    let group = groups::named(name)?;
    let mode = if only_check { Mode::Check } else { Mode::Make };
    Ok(call.door.topics().change_group_settings(&group, changes, others, mode).await?)
}
