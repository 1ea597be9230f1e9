import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.common.requests.AbstractResponse;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.requests.RequestUtils;

/**
 * Requests at the edge of what a broker takes, each answered by a line with its error codes: the same of every broker.
 * The messages go to a file, a line for each request: how many there are, which request it was, and what they say.
 */
public class EdgeCheck {
    static final Pattern CODE = Pattern.compile("[eE]rrorCode=(-?\\d+)");
    /** What a message says, up to the quote that ends the field; one that says nothing does not count. */
    static final Pattern WHY = Pattern.compile("[eE]rrorMessage='(?!'[,)])((?s:.)+?)'(?=[,)])");
    static String host;
    static int port;
    static PrintWriter messages;
    static Socket socket;
    static int asked;
    static final Uuid UNKNOWN = new Uuid(7, 7);
    static Uuid edges;

    public static void main(String[] arguments) throws Exception {
        host = arguments[0].split(":")[0];
        port = Integer.parseInt(arguments[0].split(":")[1]);
        messages = new PrintWriter(arguments[1], StandardCharsets.UTF_8);
        setUp();
        awaitCoordinators();
        produce();
        fetch();
        offsets();
        topics();
        configs();
        groups();
        transactions();
        rest();
        messages.close();
    }

    static ApiMessage send(int key, int version, ApiMessage request) throws IOException {
        if (socket == null) {
            socket = new Socket(host, port);
            socket.setSoTimeout(10000);
        }
        ApiKeys api = ApiKeys.forId(key);
        RequestHeader header = new RequestHeader(api, (short) version, "edges", asked++);
        ByteBuffer bytes = RequestUtils.serialize(header.data(), header.headerVersion(), request, (short) version);
        DataOutputStream out = new DataOutputStream(socket.getOutputStream());
        byte[] frame = new byte[bytes.remaining()];
        bytes.get(frame);
        DataInputStream in = new DataInputStream(socket.getInputStream());
        try {
            out.writeInt(frame.length);
            out.write(frame);
            out.flush();
            byte[] answer = new byte[in.readInt()];
            in.readFully(answer);
            return AbstractResponse.parseResponse(ByteBuffer.wrap(answer), header).data();
        } catch (EOFException | SocketException | SocketTimeoutException gone) {
            socket.close();
            socket = null;
            return null;
        }
    }

    /** Asks in the newest version. */
    static ApiMessage ask(String name, ApiMessage request) throws IOException {
        return ask(name, ApiKeys.forId(request.apiKey()).latestVersion(), request);
    }

    static ApiMessage ask(String name, int version, ApiMessage request) throws IOException {
        ApiMessage answer = send(request.apiKey(), version, request);
        StringBuilder line = new StringBuilder(name).append(':');
        if (answer == null) {
            line.append(" closed");
        } else {
            Matcher code = CODE.matcher(answer.toString());
            while (code.find()) {
                line.append(' ').append(code.group(1));
            }
        }
        System.out.println(line);
        List<String> told = answer == null ? List.of() : WHY.matcher(answer.toString()).results().map(why -> why.group(1)).toList();
        messages.println(told.size() + "\t" + name + "\t" + String.join(" | ", told).replace("\n", " "));
        return answer;
    }

    // Topics.

    static CreateTopicsRequestData.CreatableTopic topic(String name, int partitions, int replicas, String... configs) {
        CreateTopicsRequestData.CreatableTopic topic = new CreateTopicsRequestData.CreatableTopic().setName(name)
            .setNumPartitions(partitions).setReplicationFactor((short) replicas);
        for (String config : configs) {
            String[] pair = config.split("=", 2);
            topic.configs().add(new CreateTopicsRequestData.CreatableTopicConfig().setName(pair[0]).setValue(pair[1]));
        }
        return topic;
    }

    static CreateTopicsRequestData create(CreateTopicsRequestData.CreatableTopic... topics) {
        CreateTopicsRequestData request = new CreateTopicsRequestData().setTimeoutMs(10000);
        for (CreateTopicsRequestData.CreatableTopic topic : topics) {
            request.topics().add(topic);
        }
        return request;
    }

    static void setUp() throws Exception {
        ask("create edges", create(topic("edges", 2, 1, "max.message.bytes=1000")));
        ask("create compacted", create(topic("compacted", 1, 1, "cleanup.policy=compact")));
        ask("create timed", create(topic("timed", 1, 1, "message.timestamp.before.max.ms=60000", "message.timestamp.after.max.ms=60000")));
        // Until the partitions have a leader.
        for (String name : List.of("edges", "compacted", "timed")) {
            for (int tries = 0; ; tries++) {
                MetadataRequestData request = new MetadataRequestData().setAllowAutoTopicCreation(false);
                request.topics().add(new MetadataRequestData.MetadataRequestTopic().setName(name));
                MetadataResponseData told = (MetadataResponseData) send(3, 12, request);
                MetadataResponseData.MetadataResponseTopic topic = told.topics().find(name);
                if (topic.errorCode() == 0 && topic.partitions().stream().allMatch(one -> one.errorCode() == 0)) {
                    edges = name.equals("edges") ? topic.topicId() : edges;
                    break;
                }
                if (tries > 100) {
                    throw new IllegalStateException(told.toString());
                }
                Thread.sleep(100);
            }
        }
    }

    /** Brokers that keep coordinators' state in topics make those when they are asked for. */
    static void awaitCoordinators() throws Exception {
        for (int tries = 0; tries < 200; tries++) {
            for (byte type = 0; type < 2; type++) {
                send(10, 6, new FindCoordinatorRequestData().setKeyType(type).setCoordinatorKeys(List.of("known")));
            }
            String share = "known:" + edges + ":0";
            send(10, 6, new FindCoordinatorRequestData().setKeyType((byte) 2).setCoordinatorKeys(List.of(share)));
            int group = ((HeartbeatResponseData) send(12, 4, new HeartbeatRequestData().setGroupId("nogroup").setMemberId("m"))).errorCode();
            InitProducerIdRequestData init = new InitProducerIdRequestData().setTransactionalId("known").setTransactionTimeoutMs(60000);
            int transactions = ((InitProducerIdResponseData) send(22, 5, init)).errorCode();
            if (group == 25 && transactions == 0) {
                return;
            }
            Thread.sleep(100);
        }
        throw new IllegalStateException("no coordinator");
    }

    // Producing.

    static ProduceRequestData produce(String topic, Uuid id, int partition, int acks, MemoryRecords records) {
        ProduceRequestData.TopicProduceData data = new ProduceRequestData.TopicProduceData();
        data = id == null ? data.setName(topic) : data.setTopicId(id);
        data.setPartitionData(List.of(new ProduceRequestData.PartitionProduceData().setIndex(partition).setRecords(records)));
        ProduceRequestData request = new ProduceRequestData().setAcks((short) acks).setTimeoutMs(10000);
        request.topicData().add(data);
        return request;
    }

    static MemoryRecords records(long time, String key, String value) {
        byte[] bytes = key == null ? null : key.getBytes(StandardCharsets.UTF_8);
        return MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(time, bytes, value.getBytes(StandardCharsets.UTF_8)));
    }

    static MemoryRecords numbered(long producer, int epoch, int sequence) {
        return MemoryRecords.withIdempotentRecords(Compression.NONE, producer, (short) epoch, sequence,
            new SimpleRecord(System.currentTimeMillis(), null, "x".getBytes(StandardCharsets.UTF_8)));
    }

    static void produce() throws IOException, InterruptedException {
        long now = System.currentTimeMillis();
        ask("produce", 12, produce("edges", null, 0, -1, records(now, null, "x")));
        ask("produce by id", 13, produce(null, edges, 0, 1, records(now, null, "x")));
        ask("produce, unknown id", 13, produce(null, UNKNOWN, 0, 1, records(now, null, "x")));
        ask("produce, acks 5", 12, produce("edges", null, 0, 5, records(now, null, "x")));
        ask("produce, acks -2", 12, produce("edges", null, 0, -2, records(now, null, "x")));
        ask("produce, unknown topic", 12, produce("nothing", null, 0, 1, records(now, null, "x")));
        ask("produce, unknown partition", 12, produce("edges", null, 9, 1, records(now, null, "x")));
        ask("produce, negative partition", 12, produce("edges", null, -1, 1, records(now, null, "x")));
        ask("produce, too large", 12, produce("edges", null, 0, 1, records(now, null, "x".repeat(2000))));
        ask("produce, too early", 12, produce("timed", null, 0, 1, records(now - 600000, null, "x")));
        ask("produce, too late", 12, produce("timed", null, 0, 1, records(now + 600000, null, "x")));
        ask("produce, no key where it is compacted", 12, produce("compacted", null, 0, 1, records(now, null, "x")));
        ask("produce, no records", 12, produce("edges", null, 0, 1, MemoryRecords.EMPTY));
        MemoryRecords broken = records(now, null, "x");
        broken.buffer().put(20, (byte) (broken.buffer().get(20) + 1));
        ask("produce, wrong checksum", 12, produce("edges", null, 0, 1, broken));
        MemoryRecords cut = MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1}));
        ask("produce, cut off", 12, produce("edges", null, 0, 1, cut));
        long id = -1;
        // A broker that has just started may have no ids yet.
        for (int tries = 0; id < 0 && tries < 100; tries++) {
            InitProducerIdRequestData request = new InitProducerIdRequestData().setTransactionalId(null).setTransactionTimeoutMs(60000);
            id = ((InitProducerIdResponseData) send(22, 5, request)).producerId();
            Thread.sleep(100);
        }
        ask("idempotent", 12, produce("edges", null, 0, -1, numbered(id, 0, 0)));
        ask("idempotent again", 12, produce("edges", null, 0, -1, numbered(id, 0, 0)));
        ask("idempotent, gap", 12, produce("edges", null, 0, -1, numbered(id, 0, 7)));
        ask("idempotent, next epoch begins late", 12, produce("edges", null, 0, -1, numbered(id, 1, 3)));
        ask("idempotent, next epoch", 12, produce("edges", null, 0, -1, numbered(id, 1, 0)));
        ask("idempotent, old epoch", 12, produce("edges", null, 0, -1, numbered(id, 0, 1)));
        ask("transactional without a transaction", 11, produce("edges", null, 0, -1,
            MemoryRecords.withTransactionalRecords(Compression.NONE, id, (short) 1, 1, new SimpleRecord("x".getBytes())))
            .setTransactionalId("none"));
    }

    // Fetching.

    static FetchRequestData fetch(String topic, Uuid id, int partition, long offset, int epoch) {
        FetchRequestData.FetchTopic data = new FetchRequestData.FetchTopic();
        data = id == null ? data.setTopic(topic) : data.setTopicId(id);
        data.setPartitions(List.of(new FetchRequestData.FetchPartition().setPartition(partition).setFetchOffset(offset)
            .setCurrentLeaderEpoch(epoch).setPartitionMaxBytes(1000)));
        FetchRequestData request = new FetchRequestData().setMaxWaitMs(0).setMinBytes(0).setMaxBytes(1000);
        return request.setSessionEpoch(-1).setTopics(new ArrayList<>(List.of(data)));
    }

    static void fetch() throws IOException {
        ask("fetch", 12, fetch("edges", null, 0, 0, -1));
        ask("fetch by id", 17, fetch(null, edges, 0, 0, -1));
        ask("fetch, unknown id", 17, fetch(null, UNKNOWN, 0, 0, -1));
        ask("fetch, unknown topic", 12, fetch("nothing", null, 0, 0, -1));
        ask("fetch, unknown partition", 12, fetch("edges", null, 9, 0, -1));
        ask("fetch, negative partition", 12, fetch("edges", null, -1, 0, -1));
        ask("fetch, beyond the end", 12, fetch("edges", null, 0, 10000, -1));
        ask("fetch, negative offset", 12, fetch("edges", null, 0, -5, -1));
        ask("fetch, epoch to come", 12, fetch("edges", null, 0, 0, 1000));
        ask("fetch, unknown session", 12, fetch("edges", null, 0, 0, -1).setSessionId(12345).setSessionEpoch(3));
        ask("fetch, session 0 in an epoch", 12, fetch("edges", null, 0, 0, -1).setSessionEpoch(3));
        ask("fetch, isolation 7", 12, fetch("edges", null, 0, 0, -1).setIsolationLevel((byte) 7));
    }

    // Offsets and records.

    static ListOffsetsRequestData list(String topic, int partition, long time, int epoch) {
        ListOffsetsRequestData.ListOffsetsTopic data = new ListOffsetsRequestData.ListOffsetsTopic().setName(topic);
        data.setPartitions(List.of(new ListOffsetsRequestData.ListOffsetsPartition().setPartitionIndex(partition)
            .setTimestamp(time).setCurrentLeaderEpoch(epoch)));
        return new ListOffsetsRequestData().setReplicaId(-1).setTopics(List.of(data)).setTimeoutMs(10000);
    }

    static DeleteRecordsRequestData delete(String topic, int partition, long offset) {
        DeleteRecordsRequestData.DeleteRecordsTopic data = new DeleteRecordsRequestData.DeleteRecordsTopic().setName(topic);
        data.partitions().add(new DeleteRecordsRequestData.DeleteRecordsPartition().setPartitionIndex(partition).setOffset(offset));
        DeleteRecordsRequestData request = new DeleteRecordsRequestData().setTimeoutMs(10000);
        request.topics().add(data);
        return request;
    }

    static void offsets() throws IOException {
        for (long time : new long[] {-1, -2, -3, -4, -5, -6, -7, 0, Long.MAX_VALUE}) {
            ask("offset at " + time, 11, list("edges", 0, time, -1));
        }
        ask("max timestamp in an old version", 6, list("edges", 0, -3, -1));
        ask("offsets, unknown topic", 10, list("nothing", 0, -1, -1));
        ask("offsets, unknown partition", 10, list("edges", 9, -1, -1));
        ask("offsets, negative partition", 10, list("edges", -1, -1, -1));
        ask("offsets, epoch to come", 10, list("edges", 0, -1, 1000));
        ListOffsetsRequestData twice = list("edges", 0, -1, -1);
        twice.setTopics(List.of(twice.topics().get(0).duplicate(), twice.topics().get(0).duplicate()));
        ask("offsets, a topic twice", 10, twice);
        ask("delete records beyond the end", delete("edges", 0, 10000));
        ask("delete records, negative", delete("edges", 0, -2));
        ask("delete records, unknown topic", delete("nothing", 0, 0));
        ask("delete records, unknown partition", delete("edges", 9, 0));
        ask("delete records where it is compacted", delete("compacted", 0, 0));
        OffsetForLeaderEpochRequestData epochs = new OffsetForLeaderEpochRequestData().setReplicaId(-1);
        OffsetForLeaderEpochRequestData.OffsetForLeaderTopic data = new OffsetForLeaderEpochRequestData.OffsetForLeaderTopic().setTopic("edges");
        data.partitions().add(new OffsetForLeaderEpochRequestData.OffsetForLeaderPartition().setPartition(0).setCurrentLeaderEpoch(99).setLeaderEpoch(99));
        data.partitions().add(new OffsetForLeaderEpochRequestData.OffsetForLeaderPartition().setPartition(9).setLeaderEpoch(0));
        epochs.topics().add(data);
        ask("epochs", epochs);
    }

    static void topics() throws IOException {
        ask("create, exists", create(topic("edges", 1, 1)));
        ask("create, no partitions", create(topic("t1", 0, 1)));
        ask("create, negative partitions", create(topic("t2", -2, 1)));
        ask("create, no replicas", create(topic("t3", 1, 0)));
        ask("create, too many replicas", create(topic("t4", 1, 5)));
        for (String name : List.of("", ".", "..", "a b", "a/b", "a\u00e9", "x".repeat(250))) {
            ask("create, name " + (name.length() > 9 ? "too long" : name), create(topic(name, 1, 1)));
        }
        ask("create, twice", create(topic("twice", 1, 1), topic("twice", 2, 1)));
        ask("create, name that collides", create(topic("col.lides", 1, 1), topic("col_lides", 1, 1)));
        ask("create, unknown config", create(topic("t5", 1, 1, "no.such.config=1")));
        ask("create, config of the wrong type", create(topic("t6", 1, 1, "retention.ms=soon")));
        ask("create, config out of range", create(topic("t7", 1, 1, "segment.bytes=1")));
        ask("create, unknown policy", create(topic("t8", 1, 1, "cleanup.policy=keep")));
        CreateTopicsRequestData.CreatableTopic null_ = topic("t9", 1, 1);
        null_.configs().add(new CreateTopicsRequestData.CreatableTopicConfig().setName("retention.ms").setValue(null));
        ask("create, null config", create(null_));
        CreateTopicsRequestData.CreatableTopic placed = topic("t10", 3, 1);
        placed.assignments().add(new CreateTopicsRequestData.CreatableReplicaAssignment().setPartitionIndex(0).setBrokerIds(List.of(1)));
        ask("create, partitions and an assignment", create(placed));
        CreateTopicsRequestData.CreatableTopic elsewhere = topic("t11", -1, -1);
        elsewhere.assignments().add(new CreateTopicsRequestData.CreatableReplicaAssignment().setPartitionIndex(0).setBrokerIds(List.of(77)));
        ask("create, on an unknown broker", create(elsewhere));
        CreateTopicsRequestData.CreatableTopic gap = topic("t12", -1, -1);
        gap.assignments().add(new CreateTopicsRequestData.CreatableReplicaAssignment().setPartitionIndex(1).setBrokerIds(List.of(1)));
        ask("create, an assignment with a gap", create(gap));
        for (int count : new int[] {2, 1, 0, -1}) {
            ask("partitions to " + count, partitions("edges", count));
        }
        ask("partitions, unknown topic", partitions("nothing", 3));
        CreatePartitionsRequestData far = partitions("edges", 3);
        far.topics().find("edges").setAssignments(List.of(new CreatePartitionsRequestData.CreatePartitionsAssignment().setBrokerIds(List.of(77))));
        ask("partitions, on an unknown broker", far);
        CreatePartitionsRequestData few = partitions("edges", 5);
        few.topics().find("edges").setAssignments(List.of(new CreatePartitionsRequestData.CreatePartitionsAssignment().setBrokerIds(List.of(1))));
        ask("partitions, fewer assignments", few);
        CreatePartitionsRequestData same = partitions("edges", 3);
        same.topics().add(same.topics().find("edges").duplicate());
        ask("partitions, a topic twice", same);
        DeleteTopicsRequestData dupe = delete("nothing", Uuid.ZERO_UUID);
        dupe.topics().add(dupe.topics().get(0).duplicate());
        ask("delete, a topic twice", dupe);
        ask("delete, unknown topic", delete("nothing", Uuid.ZERO_UUID));
        ask("delete, unknown id", delete(null, UNKNOWN));
        ask("delete, neither", delete(null, Uuid.ZERO_UUID));
        ask("delete, both", delete("nothing", UNKNOWN));
        for (String name : List.of("nothing", "a b", "")) {
            MetadataRequestData request = new MetadataRequestData().setAllowAutoTopicCreation(false);
            request.topics().add(new MetadataRequestData.MetadataRequestTopic().setName(name));
            ask("metadata of " + name, 12, request);
        }
        MetadataRequestData request = new MetadataRequestData().setAllowAutoTopicCreation(false);
        request.topics().add(new MetadataRequestData.MetadataRequestTopic().setName(null).setTopicId(UNKNOWN));
        ask("metadata of an unknown id", 12, request);
        DescribeTopicPartitionsRequestData describe = new DescribeTopicPartitionsRequestData();
        describe.topics().add(new DescribeTopicPartitionsRequestData.TopicRequest().setName("nothing"));
        ask("describe partitions of nothing", describe);
    }

    static CreatePartitionsRequestData partitions(String topic, int count) {
        CreatePartitionsRequestData request = new CreatePartitionsRequestData().setTimeoutMs(10000);
        request.topics().add(new CreatePartitionsRequestData.CreatePartitionsTopic().setName(topic).setCount(count).setAssignments(null));
        return request;
    }

    static DeleteTopicsRequestData delete(String name, Uuid id) {
        DeleteTopicsRequestData request = new DeleteTopicsRequestData().setTimeoutMs(10000);
        request.topics().add(new DeleteTopicsRequestData.DeleteTopicState().setName(name).setTopicId(id));
        return request;
    }

    // Configs.

    static IncrementalAlterConfigsRequestData alter(int type, String resource, String name, int operation, String value) {
        IncrementalAlterConfigsRequestData.AlterConfigsResource data = new IncrementalAlterConfigsRequestData.AlterConfigsResource()
            .setResourceType((byte) type).setResourceName(resource);
        data.configs().add(new IncrementalAlterConfigsRequestData.AlterableConfig().setName(name).setConfigOperation((byte) operation).setValue(value));
        IncrementalAlterConfigsRequestData request = new IncrementalAlterConfigsRequestData();
        request.resources().add(data);
        return request;
    }

    static void configs() throws IOException {
        ask("alter", alter(2, "edges", "retention.ms", 0, "60000"));
        ask("alter, unknown topic", alter(2, "nothing", "retention.ms", 0, "60000"));
        ask("alter, unknown config", alter(2, "edges", "no.such", 0, "1"));
        ask("alter, wrong type", alter(2, "edges", "retention.ms", 0, "soon"));
        ask("alter, null", alter(2, "edges", "retention.ms", 0, null));
        ask("alter, delete unknown", alter(2, "edges", "no.such", 1, null));
        ask("alter, append to no list", alter(2, "edges", "retention.ms", 2, "1"));
        ask("alter, append", alter(2, "edges", "cleanup.policy", 2, "compact"));
        ask("alter, subtract", alter(2, "edges", "cleanup.policy", 3, "compact"));
        ask("alter, operation 9", alter(2, "edges", "retention.ms", 9, "1"));
        ask("alter, type 5", alter(5, "edges", "retention.ms", 0, "1"));
        ask("alter, broker that is no number", alter(4, "one", "x", 0, "1"));
        for (int type : new int[] {2, 4, 7, 16, 32}) {
            for (String name : List.of("nothing", "", "77")) {
                DescribeConfigsRequestData request = new DescribeConfigsRequestData();
                request.resources().add(new DescribeConfigsRequestData.DescribeConfigsResource().setResourceType((byte) type)
                    .setResourceName(name).setConfigurationKeys(null));
                ask("describe configs of " + type + " " + name, request);
            }
        }
        AlterConfigsRequestData old = new AlterConfigsRequestData();
        AlterConfigsRequestData.AlterConfigsResource data = new AlterConfigsRequestData.AlterConfigsResource().setResourceType((byte) 2).setResourceName("edges");
        data.configs().add(new AlterConfigsRequestData.AlterableConfig().setName("retention.ms").setValue("never"));
        old.resources().add(data);
        ask("alter configs, wrong type", old);
        ask("alter configs, unknown config", old("edges", 2, "no.such", "1"));
        ask("alter configs, unknown topic", old("nothing", 2, "retention.ms", "1000"));
        ask("alter configs, type 5", old("edges", 5, "retention.ms", "1000"));
        ask("alter, no name", alter(2, "edges", "", 0, "1"));
        ask("alter, name that no topic has", alter(2, "a b", "retention.ms", 0, "1"));
        ask("alter, unknown policy", alter(2, "edges", "cleanup.policy", 0, "keep"));
        ask("alter, unknown group setting", alter(32, "some", "no.such", 0, "1"));
        ask("alter, group setting of the wrong type", alter(32, "some", "consumer.session.timeout.ms", 0, "soon"));
        ask("alter, group setting out of range", alter(32, "some", "consumer.session.timeout.ms", 0, "1"));
        ask("alter, group without a name", alter(32, "", "consumer.session.timeout.ms", 0, "45000"));
        ask("alter, metrics without a name", alter(16, "", "interval.ms", 0, "1000"));
        IncrementalAlterConfigsRequestData twice = alter(2, "edges", "retention.ms", 0, "1");
        twice.resources().add(alter(2, "edges", "retention.ms", 0, "2").resources().find((byte) 2, "edges").duplicate());
        ask("alter, a topic twice", twice);
        IncrementalAlterConfigsRequestData both = alter(2, "edges", "retention.ms", 0, "1");
        both.resources().find((byte) 2, "edges").configs().add(alter(2, "edges", "retention.ms", 1, null).resources().find((byte) 2, "edges")
            .configs().iterator().next().duplicate());
        ask("alter, a setting twice", both);
    }

    static AlterConfigsRequestData old(String resource, int type, String name, String value) {
        AlterConfigsRequestData request = new AlterConfigsRequestData();
        AlterConfigsRequestData.AlterConfigsResource data = new AlterConfigsRequestData.AlterConfigsResource()
            .setResourceType((byte) type).setResourceName(resource);
        data.configs().add(new AlterConfigsRequestData.AlterableConfig().setName(name).setValue(value));
        request.resources().add(data);
        return request;
    }

    // Groups.

    static void groups() throws IOException, InterruptedException {
        for (int version : new int[] {9, 5}) {
            for (String group : List.of("nogroup", "")) {
                ask("heartbeat " + version + " " + group, Math.min(version, 4), new HeartbeatRequestData().setGroupId(group).setMemberId("m").setGenerationId(1));
                ask("sync " + version + " " + group, Math.min(version, 5), new SyncGroupRequestData().setGroupId(group).setMemberId("m").setGenerationId(1).setProtocolType("consumer").setProtocolName("range"));
                LeaveGroupRequestData leave = new LeaveGroupRequestData().setGroupId(group);
                leave.members().add(new LeaveGroupRequestData.MemberIdentity().setMemberId("m"));
                ask("leave " + version + " " + group, Math.min(version, 5), leave);
            }
        }
        for (String group : List.of("nogroup", "plain")) {
            ask("leave 2 of nobody " + group, 2, new LeaveGroupRequestData().setGroupId(group));
        }
        String id = ((JoinGroupResponseData) ask("join, alone", 9, join("left", 10000, "consumer", "range"))).memberId();
        ask("join, alone with an id", 9, join("left", 10000, "consumer", "range").setMemberId(id));
        LeaveGroupRequestData last = new LeaveGroupRequestData().setGroupId("left");
        last.members().add(new LeaveGroupRequestData.MemberIdentity().setMemberId(id));
        ask("leave, the last", 5, last);
        ask("describe a group that was left", new DescribeGroupsRequestData().setGroups(List.of("left")));
        ask("delete a group that was left", new DeleteGroupsRequestData().setGroupsNames(List.of("left")));
        ask("describe a group that is deleted", new DescribeGroupsRequestData().setGroups(List.of("left")));
        ask("join, short session", 9, join("g1", 1, "consumer", "range"));
        ask("join, long session", 9, join("g1", 100_000_000, "consumer", "range"));
        ask("join, no group", 9, join("", 10000, "consumer", "range"));
        ask("join, no protocol type", 9, join("g1", 10000, "", "range"));
        ask("join, no protocol", 9, join("g1", 10000, "consumer"));
        ask("join, first", 9, join("g1", 10000, "consumer", "range"));
        ask("join, unknown member", 9, join("g1", 10000, "consumer", "range").setMemberId("stranger"));
        for (String group : List.of("plain", "")) {
            ask("commit " + group, 9, commit(group, "", -1, "edges", 0, "m"));
            ask("commit with a member " + group, 9, commit(group, "m", 3, "edges", 0, "m"));
        }
        ask("commit, generation without a member", 9, commit("plain", "", 3, "edges", 0, "m"));
        ask("commit, unknown topic", 9, commit("plain", "", -1, "nothing", 0, "m"));
        ask("commit, unknown partition", 9, commit("plain", "", -1, "edges", 9, "m"));
        ask("commit, long metadata", 9, commit("plain", "", -1, "edges", 0, "m".repeat(5000)));
        ask("fetch offsets", 9, offsets("nogroup", null, -1));
        ask("fetch offsets, no group", 9, offsets("", null, -1));
        ask("fetch offsets, member", 9, offsets("nogroup", "m", 4));
        for (String group : List.of("nogroup", "", "plain")) {
            ask("describe group " + group, new DescribeGroupsRequestData().setGroups(List.of(group)));
            ask("describe consumer group " + group, new ConsumerGroupDescribeRequestData().setGroupIds(List.of(group)));
            ask("describe share group " + group, new ShareGroupDescribeRequestData().setGroupIds(List.of(group)));
        }
        ask("delete group", new DeleteGroupsRequestData().setGroupsNames(List.of("nogroup")));
        ask("delete group, no name", new DeleteGroupsRequestData().setGroupsNames(List.of("")));
        OffsetDeleteRequestData remove = new OffsetDeleteRequestData().setGroupId("nogroup");
        remove.topics().add(new OffsetDeleteRequestData.OffsetDeleteRequestTopic().setName("edges")
            .setPartitions(List.of(new OffsetDeleteRequestData.OffsetDeleteRequestPartition().setPartitionIndex(0))));
        ask("delete offsets", remove);
        ask("delete offsets, unknown partition", remove.duplicate().setGroupId("plain"));
        ask("list groups, unknown state", new ListGroupsRequestData().setStatesFilter(List.of("Nowhere")));
        ask("list groups, unknown type", new ListGroupsRequestData().setTypesFilter(List.of("nothing")));
        for (int epoch : new int[] {0, 3, -1, -2, -3}) {
            ask("consumer heartbeat, epoch " + epoch, 1, heartbeat("modern", "member", epoch).setSubscribedTopicNames(List.of("edges")));
        }
        ask("consumer heartbeat, no group", 1, heartbeat("", "member", 0).setSubscribedTopicNames(List.of("edges")));
        ask("consumer heartbeat, no member", 1, heartbeat("modern", "", 0).setSubscribedTopicNames(List.of("edges")));
        ask("consumer heartbeat, nothing subscribed", 1, heartbeat("modern2", "member", 0));
        ask("consumer heartbeat, no timeout", 1, heartbeat("modern3", "member", 0).setRebalanceTimeoutMs(-1).setSubscribedTopicNames(List.of("edges")));
        ask("consumer heartbeat, unknown assignor", 1, heartbeat("modern4", "member", 0).setServerAssignor("best").setSubscribedTopicNames(List.of("edges")));
        ask("consumer heartbeat, partitions at once", 1, heartbeat("modern5", "member", 0).setSubscribedTopicNames(List.of("edges"))
            .setTopicPartitions(List.of(new ConsumerGroupHeartbeatRequestData.TopicPartitions().setTopicId(edges).setPartitions(List.of(0)))));
        ask("consumer heartbeat, wrong pattern", 1, heartbeat("modern6", "member", 0).setSubscribedTopicRegex("("));
        ask("consumer heartbeat, unknown instance leaves", 1, heartbeat("modern", "member", -2).setInstanceId("instance"));
        ask("consumer heartbeat, empty rack", 1, heartbeat("modern7", "member", 0).setRackId("").setSubscribedTopicNames(List.of("edges")));
        for (int epoch : new int[] {0, 3, -1, -2}) {
            ask("share heartbeat, epoch " + epoch, 1, new ShareGroupHeartbeatRequestData().setGroupId("shared").setMemberId("member")
                .setMemberEpoch(epoch).setSubscribedTopicNames(List.of("edges")));
        }
        ask("share heartbeat, no group", 1, new ShareGroupHeartbeatRequestData().setGroupId("").setMemberId("member").setSubscribedTopicNames(List.of("edges")));
        ask("share heartbeat, no member", 1, new ShareGroupHeartbeatRequestData().setGroupId("shared").setMemberId("").setSubscribedTopicNames(List.of("edges")));
        ask("share heartbeat, nothing subscribed", 1, new ShareGroupHeartbeatRequestData().setGroupId("shared2").setMemberId("member"));
        ask("share heartbeat, a consumer group", 1, new ShareGroupHeartbeatRequestData().setGroupId("plain").setMemberId("member").setSubscribedTopicNames(List.of("edges")));
        ask("share fetch, unknown session", 1, new ShareFetchRequestData().setGroupId("shared").setMemberId("stranger").setShareSessionEpoch(5).setMaxBytes(1000));
        ask("share acknowledge, unknown session", 1, new ShareAcknowledgeRequestData().setGroupId("shared").setMemberId("stranger").setShareSessionEpoch(5));
        ask("share acknowledge, first epoch", 1, new ShareAcknowledgeRequestData().setGroupId("shared").setMemberId("stranger").setShareSessionEpoch(0));
        DescribeShareGroupOffsetsRequestData starts = new DescribeShareGroupOffsetsRequestData();
        starts.groups().add(new DescribeShareGroupOffsetsRequestData.DescribeShareGroupOffsetsRequestGroup().setGroupId("nogroup").setTopics(null));
        ask("share offsets, unknown group", starts);
        DeleteShareGroupOffsetsRequestData forget = new DeleteShareGroupOffsetsRequestData().setGroupId("nogroup");
        forget.topics().add(new DeleteShareGroupOffsetsRequestData.DeleteShareGroupOffsetsRequestTopic().setTopicName("edges"));
        ask("delete share offsets, unknown group", forget);
        AlterShareGroupOffsetsRequestData moved = new AlterShareGroupOffsetsRequestData().setGroupId("nogroup");
        moved.topics().add(new AlterShareGroupOffsetsRequestData.AlterShareGroupOffsetsRequestTopic().setTopicName("edges").setPartitions(List.of(
            new AlterShareGroupOffsetsRequestData.AlterShareGroupOffsetsRequestPartition().setPartitionIndex(0).setStartOffset(0))));
        ask("alter share offsets of an unknown group", moved);
        ask("alter share offsets where members are", moved.duplicate().setGroupId("shared"));
        ask("delete share offsets where members are", forget.duplicate().setGroupId("shared"));
        AlterShareGroupOffsetsRequestData reset = new AlterShareGroupOffsetsRequestData().setGroupId("nogroup");
        ask("alter share offsets, unknown group", reset);
    }

    static JoinGroupRequestData join(String group, int session, String type, String... protocols) {
        JoinGroupRequestData request = new JoinGroupRequestData().setGroupId(group).setMemberId("").setSessionTimeoutMs(session)
            .setRebalanceTimeoutMs(10000).setProtocolType(type);
        for (String protocol : protocols) {
            request.protocols().add(new JoinGroupRequestData.JoinGroupRequestProtocol().setName(protocol).setMetadata(new byte[0]));
        }
        return request;
    }

    static OffsetCommitRequestData commit(String group, String member, int generation, String topic, int partition, String metadata) {
        OffsetCommitRequestData.OffsetCommitRequestTopic data = new OffsetCommitRequestData.OffsetCommitRequestTopic().setName(topic)
            .setPartitions(List.of(new OffsetCommitRequestData.OffsetCommitRequestPartition().setPartitionIndex(partition)
                .setCommittedOffset(1).setCommittedMetadata(metadata)));
        return new OffsetCommitRequestData().setGroupId(group).setMemberId(member).setGenerationIdOrMemberEpoch(generation).setTopics(List.of(data));
    }

    static OffsetFetchRequestData offsets(String group, String member, int epoch) {
        OffsetFetchRequestData.OffsetFetchRequestTopics data = new OffsetFetchRequestData.OffsetFetchRequestTopics().setName("edges").setPartitionIndexes(List.of(0));
        return new OffsetFetchRequestData().setGroups(List.of(new OffsetFetchRequestData.OffsetFetchRequestGroup().setGroupId(group)
            .setMemberId(member).setMemberEpoch(epoch).setTopics(List.of(data))));
    }

    static ConsumerGroupHeartbeatRequestData heartbeat(String group, String member, int epoch) {
        return new ConsumerGroupHeartbeatRequestData().setGroupId(group).setMemberId(member).setMemberEpoch(epoch)
            .setRebalanceTimeoutMs(10000).setTopicPartitions(List.of());
    }

    // Transactions.

    static void transactions() throws IOException, InterruptedException {
        ask("transactional id, empty", 5, new InitProducerIdRequestData().setTransactionalId("").setTransactionTimeoutMs(60000));
        ask("transaction timeout 0", 5, new InitProducerIdRequestData().setTransactionalId("t").setTransactionTimeoutMs(0));
        ask("transaction timeout, a week", 5, new InitProducerIdRequestData().setTransactionalId("t").setTransactionTimeoutMs(604800000));
        ask("transaction, stranger's producer", 5, new InitProducerIdRequestData().setTransactionalId("known").setTransactionTimeoutMs(60000).setProducerId(4711).setProducerEpoch((short) 3));
        ask("transaction, epoch without an id", 5, new InitProducerIdRequestData().setTransactionalId("known").setTransactionTimeoutMs(60000).setProducerEpoch((short) 3));
        for (String id : List.of("unknown", "known", "")) {
            AddPartitionsToTxnRequestData add = new AddPartitionsToTxnRequestData().setV3AndBelowTransactionalId(id).setV3AndBelowProducerId(4711);
            add.v3AndBelowTopics().add(new AddPartitionsToTxnRequestData.AddPartitionsToTxnTopic().setName("edges").setPartitions(List.of(0)));
            ask("add partitions, " + id, 3, add);
            ask("add offsets, " + id, 4, new AddOffsetsToTxnRequestData().setTransactionalId(id).setProducerId(4711).setGroupId("plain"));
            ask("end, " + id, 5, new EndTxnRequestData().setTransactionalId(id).setProducerId(4711).setCommitted(true));
        }
        AddPartitionsToTxnRequestData nothing = new AddPartitionsToTxnRequestData().setV3AndBelowTransactionalId("known").setV3AndBelowProducerId(4711);
        nothing.v3AndBelowTopics().add(new AddPartitionsToTxnRequestData.AddPartitionsToTxnTopic().setName("nothing").setPartitions(List.of(0)));
        ask("add partitions, unknown topic", 3, nothing);
        TxnOffsetCommitRequestData offsets = new TxnOffsetCommitRequestData().setTransactionalId("unknown").setGroupId("plain").setProducerId(4711);
        offsets.topics().add(new TxnOffsetCommitRequestData.TxnOffsetCommitRequestTopic().setName("edges")
            .setPartitions(List.of(new TxnOffsetCommitRequestData.TxnOffsetCommitRequestPartition().setPartitionIndex(0).setCommittedOffset(1))));
        ask("offsets in an unknown transaction", 4, offsets);
        ask("describe transactions", new DescribeTransactionsRequestData().setTransactionalIds(List.of("unknown", "")));
        ask("list transactions, wrong pattern", 2, new ListTransactionsRequestData().setTransactionalIdPattern("("));
        ask("list transactions, unknown state", new ListTransactionsRequestData().setStateFilters(List.of("Nowhere")));
        DescribeProducersRequestData producers = new DescribeProducersRequestData();
        producers.topics().add(new DescribeProducersRequestData.TopicRequest().setName("nothing").setPartitionIndexes(List.of(0)));
        producers.topics().add(new DescribeProducersRequestData.TopicRequest().setName("edges").setPartitionIndexes(List.of(9)));
        ask("describe producers", producers);
    }

    // What is left.

    static void rest() throws IOException {
        for (int type = 0; type < 4; type++) {
            for (String key : List.of("", "a:b")) {
                ask("coordinator of type " + type + " " + key, 6, new FindCoordinatorRequestData().setKeyType((byte) type).setCoordinatorKeys(List.of(key)));
            }
        }
        ask("cluster of type 9", new DescribeClusterRequestData().setEndpointType((byte) 9));
        ask("controllers", new DescribeClusterRequestData().setEndpointType((byte) 2));
        ask("make a delegation token", 3, new CreateDelegationTokenRequestData().setMaxLifetimeMs(-1));
        ask("renew a delegation token", new RenewDelegationTokenRequestData().setHmac(new byte[] {1}));
        ask("end a delegation token", new ExpireDelegationTokenRequestData().setHmac(new byte[] {1}));
        ask("describe delegation tokens", new DescribeDelegationTokenRequestData().setOwners(null));
        ElectLeadersRequestData elect = new ElectLeadersRequestData().setTimeoutMs(10000);
        elect.topicPartitions().add(new ElectLeadersRequestData.TopicPartitions().setTopic("edges").setPartitions(List.of(0, 9)));
        ask("elect", elect);
        ask("elect, type 4", elect.duplicate().setElectionType((byte) 4));
        AlterPartitionReassignmentsRequestData move = new AlterPartitionReassignmentsRequestData().setTimeoutMs(10000);
        move.topics().add(new AlterPartitionReassignmentsRequestData.ReassignableTopic().setName("edges").setPartitions(List.of(
            new AlterPartitionReassignmentsRequestData.ReassignablePartition().setPartitionIndex(0).setReplicas(List.of(77)),
            new AlterPartitionReassignmentsRequestData.ReassignablePartition().setPartitionIndex(1).setReplicas(null),
            new AlterPartitionReassignmentsRequestData.ReassignablePartition().setPartitionIndex(9).setReplicas(List.of(1)))));
        ask("move", move);
        CreateAclsRequestData rules = new CreateAclsRequestData();
        rules.creations().add(new CreateAclsRequestData.AclCreation().setResourceType((byte) 2).setResourceName("edges").setResourcePatternType((byte) 3)
            .setPrincipal("User:alice").setHost("*").setOperation((byte) 3).setPermissionType((byte) 3));
        ask("create a rule", rules);
        DescribeAclsRequestData which = new DescribeAclsRequestData().setResourceTypeFilter((byte) 1).setPatternTypeFilter((byte) 1)
            .setOperation((byte) 1).setPermissionType((byte) 1);
        ask("describe rules", which);
        DeleteAclsRequestData drop = new DeleteAclsRequestData();
        drop.filters().add(new DeleteAclsRequestData.DeleteAclsFilter().setResourceTypeFilter((byte) 1).setPatternTypeFilter((byte) 1)
            .setOperation((byte) 1).setPermissionType((byte) 1));
        ask("delete rules", drop);
        for (String type : List.of("user", "planet", "")) {
            for (int match : new int[] {0, 7}) {
                DescribeClientQuotasRequestData quotas = new DescribeClientQuotasRequestData().setComponents(List.of(
                    new DescribeClientQuotasRequestData.ComponentData().setEntityType(type).setMatchType((byte) match).setMatch("alice")));
                ask("quotas of a " + type + ", match " + match, quotas);
            }
        }
        AlterClientQuotasRequestData nobody = new AlterClientQuotasRequestData().setEntries(List.of(new AlterClientQuotasRequestData.EntryData()
            .setOps(List.of(new AlterClientQuotasRequestData.OpData().setKey("producer_byte_rate").setValue(1)))));
        ask("quota of nobody", nobody);
        for (String key : List.of("no_such_rate", "producer_byte_rate")) {
            for (String entity : List.of("user", "planet")) {
                AlterClientQuotasRequestData quota = new AlterClientQuotasRequestData().setEntries(List.of(new AlterClientQuotasRequestData.EntryData()
                    .setEntity(List.of(new AlterClientQuotasRequestData.EntityData().setEntityType(entity).setEntityName("alice")))
                    .setOps(List.of(new AlterClientQuotasRequestData.OpData().setKey(key).setValue(-1)))));
                ask("quota " + key + " of a " + entity, quota);
            }
        }
        AlterUserScramCredentialsRequestData users = new AlterUserScramCredentialsRequestData();
        users.deletions().add(new AlterUserScramCredentialsRequestData.ScramCredentialDeletion().setName("nobody").setMechanism((byte) 1));
        ask("delete a password", users);
        for (int iterations : new int[] {1, 1000000}) {
            AlterUserScramCredentialsRequestData set = new AlterUserScramCredentialsRequestData();
            set.upsertions().add(new AlterUserScramCredentialsRequestData.ScramCredentialUpsertion().setName("someone").setMechanism((byte) 1)
                .setIterations(iterations).setSalt(new byte[8]).setSaltedPassword(new byte[32]));
            ask("password hashed " + iterations + " times", set);
        }
        AlterUserScramCredentialsRequestData nameless = new AlterUserScramCredentialsRequestData();
        nameless.upsertions().add(new AlterUserScramCredentialsRequestData.ScramCredentialUpsertion().setName("").setMechanism((byte) 1)
            .setIterations(4096).setSalt(new byte[8]).setSaltedPassword(new byte[32]));
        ask("password of nobody", nameless);
        AlterUserScramCredentialsRequestData twice = new AlterUserScramCredentialsRequestData();
        twice.deletions().add(new AlterUserScramCredentialsRequestData.ScramCredentialDeletion().setName("nobody").setMechanism((byte) 1));
        twice.upsertions().add(new AlterUserScramCredentialsRequestData.ScramCredentialUpsertion().setName("nobody").setMechanism((byte) 1)
            .setIterations(4096).setSalt(new byte[8]).setSaltedPassword(new byte[32]));
        ask("password set and deleted", twice);
        AlterUserScramCredentialsRequestData odd = new AlterUserScramCredentialsRequestData();
        odd.deletions().add(new AlterUserScramCredentialsRequestData.ScramCredentialDeletion().setName("nobody").setMechanism((byte) 9));
        ask("password of an unknown kind", odd);
        ask("describe passwords", new DescribeUserScramCredentialsRequestData().setUsers(List.of(new DescribeUserScramCredentialsRequestData.UserName().setName("nobody"))));
        ask("describe a password twice", new DescribeUserScramCredentialsRequestData().setUsers(List.of(
            new DescribeUserScramCredentialsRequestData.UserName().setName("one"), new DescribeUserScramCredentialsRequestData.UserName().setName("one"))));
        UpdateFeaturesRequestData features = new UpdateFeaturesRequestData();
        features.featureUpdates().add(new UpdateFeaturesRequestData.FeatureUpdateKey().setFeature("no.feature").setMaxVersionLevel((short) 1));
        ask("unknown feature", features);
        DescribeLogDirsRequestData dirs = new DescribeLogDirsRequestData();
        dirs.topics().add(new DescribeLogDirsRequestData.DescribableLogDirTopic().setTopic("nothing").setPartitions(List.of(0)));
        ask("directories", dirs);
        AlterReplicaLogDirsRequestData dir = new AlterReplicaLogDirsRequestData();
        AlterReplicaLogDirsRequestData.AlterReplicaLogDir place = new AlterReplicaLogDirsRequestData.AlterReplicaLogDir().setPath("/no/where");
        place.topics().add(new AlterReplicaLogDirsRequestData.AlterReplicaLogDirTopic().setName("edges").setPartitions(List.of(0)));
        dir.dirs().add(place);
        ask("move to an unknown directory", dir);
        ask("api versions of an odd client", 4, new ApiVersionsRequestData().setClientSoftwareName("-").setClientSoftwareVersion("1"));
        DescribeQuorumRequestData quorum = new DescribeQuorumRequestData();
        quorum.setTopics(List.of(new DescribeQuorumRequestData.TopicData().setTopicName("edges")
            .setPartitions(List.of(new DescribeQuorumRequestData.PartitionData().setPartitionIndex(0)))));
        ask("quorum of a topic", quorum);
        // After these the connection may end.
        ask("handshake", new SaslHandshakeRequestData().setMechanism("NONE"));
        ask("authenticate", new SaslAuthenticateRequestData().setAuthBytes(new byte[] {1}));
    }
}
