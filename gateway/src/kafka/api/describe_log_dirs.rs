use kafka_wire::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
    DescribeLogDirsTopic,
};

use super::Call;
use crate::topics::{LogTopic, Topic};

pub async fn answer(call: &Call, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let topics = call.door.topics();
    let topics = match request.topics {
        None => call
            .door
            .all_topics()
            .iter()
            .filter_map(|topic| match topic {
                Topic::Log(log) => Some(sizes(log, None)),
                Topic::Queue(_) => None,
            })
            .collect(),
        Some(asked) => {
            let known = asked.iter().filter_map(|asked| {
                topics.log(&asked.topic).ok().map(|log| sizes(&log, Some(&asked.partitions)))
            });
            known.collect()
        }
    };
    let mut directory = DescribeLogDirsResult {
        log_dir: call.door.data_dir().to_owned(),
        topics,
        ..DescribeLogDirsResult::default()
    };
    // KIP-827; -1 where the disk does not tell.
    if let Ok(Some(space)) = call.door.topics().disk_space().await {
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        (directory.total_bytes, directory.usable_bytes) = (bytes(space.total), bytes(space.free));
    }
    DescribeLogDirsResponse { results: vec![directory], ..DescribeLogDirsResponse::default() }
}

fn sizes(log: &LogTopic, only: Option<&[i32]>) -> DescribeLogDirsTopic {
    let numbers = 0..log.partitions();
    let wanted = numbers.filter(|number| only.is_none_or(|only| only.contains(&(*number as i32))));
    let size = |number: u32| DescribeLogDirsPartition {
        partition_index: number as i32,
        partition_size: log.size_bytes(number).unwrap_or(0) as i64,
        ..DescribeLogDirsPartition::default()
    };
    DescribeLogDirsTopic { name: log.name().to_string(), partitions: wanted.map(size).collect() }
}
