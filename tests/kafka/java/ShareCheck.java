import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Apache Kafka's own share consumer against logs and queues. Usage: ShareCheck KAFKA HTTP STEP. */
public class ShareCheck {
    private final String kafka;
    private final String http;

    ShareCheck(String kafka, String http) {
        this.kafka = kafka;
        this.http = http;
    }

    public static void main(String[] arguments) throws Exception {
        ShareCheck check = new ShareCheck(arguments[0], arguments[1]);
        switch (arguments[2]) {
            case "log" -> check.log();
            case "transactions" -> check.transactions();
            case "queue" -> check.queue();
            case "before-kill" -> check.beforeKill();
            case "after-kill" -> check.afterKill();
            default -> throw new IllegalArgumentException(arguments[2]);
        }
        System.out.println(arguments[2] + " is as it should be");
    }

    /** Every way to settle a record of a log, by two members side by side. */
    private void log() throws Exception {
        configure("log-group", Map.of("share.auto.offset.reset", "earliest", "share.record.lock.duration.ms", "2000"));
        produce("share-log", 10);
        try (KafkaShareConsumer<String, String> first = consumer("log-group", "explicit", "share-log");
             KafkaShareConsumer<String, String> second = consumer("log-group", "explicit", "share-log")) {
            List<ConsumerRecord<String, String>> records = poll(first, 10);
            expect(10, records.size(), "records of the first member");
            List<String> released = new ArrayList<>();
            for (ConsumerRecord<String, String> record : records) {
                expect((short) 1, record.deliveryCount().get(), "first delivery");
                switch ((int) record.offset() % 5) {
                    case 0 -> first.acknowledge(record, AcknowledgeType.ACCEPT);
                    case 1 -> first.acknowledge(record, AcknowledgeType.REJECT);
                    case 2 -> { first.acknowledge(record, AcknowledgeType.RELEASE); released.add(record.value()); }
                    case 3 -> first.acknowledge(record, AcknowledgeType.RENEW);
                    default -> first.acknowledge(record, AcknowledgeType.ACCEPT);
                }
            }
            commit(first);
            List<ConsumerRecord<String, String>> again = poll(second, released.size());
            expect(new TreeSet<>(released), values(again), "released records");
            again.forEach(record -> expect((short) 2, record.deliveryCount().get(), "second delivery"));
            // The renewed ones are still the first member's to settle: its client hands them out again.
            List<ConsumerRecord<String, String>> renewed = poll(first, 2);
            expect(Set.of("value-3", "value-8"), values(renewed), "renewed records");
            renewed.forEach(record -> expect((short) 1, record.deliveryCount().get(), "delivery of a renewed record"));
            renewed.forEach(record -> first.acknowledge(record, AcknowledgeType.ACCEPT));
            commit(first);
            again.forEach(record -> second.acknowledge(record, AcknowledgeType.ACCEPT));
            commit(second);
            expect(10L, start("log-group", "share-log"), "the group's place");
            // What nobody settles comes back when its lock ends.
            produce("share-log", 3);
            expect(3, poll(first, 3).size(), "records that the first member keeps");
            expect(3, poll(second, 3).size(), "records whose locks ended");
        }
        try (KafkaShareConsumer<String, String> implicit = consumer("log-group", "implicit", "share-log")) {
            expect(3, poll(implicit, 3).size(), "records that came back when their members closed");
            implicit.commitSync();
        }
        expect(13L, start("log-group", "share-log"), "the group's place after implicit acknowledgement");
    }

    /** A group of committed records sees none that was aborted, and goes on behind them. */
    private void transactions() throws Exception {
        configure("committed", Map.of("share.auto.offset.reset", "earliest", "share.isolation.level", "read_committed"));
        Properties properties = producerProperties();
        properties.put("transactional.id", "share-check");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            producer.initTransactions();
            for (int round = 0; round < 4; round++) {
                producer.beginTransaction();
                for (int number = 0; number < 5; number++) {
                    producer.send(new ProducerRecord<>("share-transactions", round + "-" + number)).get();
                }
                if (round % 2 == 0) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        try (KafkaShareConsumer<String, String> consumer = consumer("committed", "implicit", "share-transactions")) {
            Set<String> expected = new TreeSet<>();
            IntStream.range(0, 5).forEach(number -> { expected.add("1-" + number); expected.add("3-" + number); });
            expect(expected, values(poll(consumer, 10)), "committed records");
            consumer.commitSync();
        }
        expect(24L, start("committed", "share-transactions"), "the group's place behind the last marker");
    }

    /** The same leases whatever door looks at them. */
    private void queue() throws Exception {
        put("/v1/topics/share-queue", "{\"model\":\"queue\",\"queue\":{}}");
        produce("share-queue", 8);
        try (KafkaShareConsumer<String, String> consumer = consumer("queue-group", "explicit", "share-queue")) {
            List<ConsumerRecord<String, String>> records = poll(consumer, 8);
            expect(8, records.size(), "messages");
            String seen = get("/v1/topics/share-queue/messages?limit=100");
            expect(true, seen.contains("share group queue-group, member "), "the holder over HTTP in " + seen);
            expect("", receive("share-queue"), "messages that HTTP gets while they are leased");
            for (ConsumerRecord<String, String> record : records) {
                switch (record.value()) {
                    case "value-1" -> consumer.acknowledge(record, AcknowledgeType.RELEASE);
                    case "value-2" -> consumer.acknowledge(record, AcknowledgeType.REJECT);
                    case "value-3" -> consumer.acknowledge(record, AcknowledgeType.RENEW);
                    default -> consumer.acknowledge(record, AcknowledgeType.ACCEPT);
                }
            }
            commit(consumer);
        }
        // Released by the member, and renewed but never settled before it closed.
        String left = receive("share-queue") + receive("share-queue");
        expect(true, left.contains("value-1") && left.contains("value-3"), "what is left for HTTP in " + left);
        expect(false, left.contains("value-2") || left.contains("value-0"), "settled messages in " + left);
        expect("", receive("share-queue"), "messages beyond");
    }

    private void beforeKill() throws Exception {
        configure("killed", Map.of("share.auto.offset.reset", "earliest"));
        produce("share-killed", 20);
        put("/v1/topics/share-killed-queue", "{\"model\":\"queue\",\"queue\":{}}");
        produce("share-killed-queue", 20);
        for (String topic : List.of("share-killed", "share-killed-queue")) {
            KafkaShareConsumer<String, String> consumer = consumer("killed", "explicit", topic);
            List<ConsumerRecord<String, String>> records = poll(consumer, 20);
            expect(20, records.size(), "records of " + topic);
            records.stream().filter(record -> number(record) % 2 == 0)
                .forEach(record -> consumer.acknowledge(record, AcknowledgeType.ACCEPT));
            // The rest stays with a member that does not close: the kill takes it by surprise.
            records.stream().filter(record -> number(record) % 2 == 1)
                .forEach(record -> consumer.acknowledge(record, AcknowledgeType.RENEW));
            commit(consumer);
        }
        // The script kills the broker now; the members must not say goodbye.
        System.out.println("before-kill is as it should be");
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private void afterKill() throws Exception {
        for (String topic : List.of("share-killed", "share-killed-queue")) {
            try (KafkaShareConsumer<String, String> consumer = consumer("killed", "implicit", topic)) {
                List<ConsumerRecord<String, String>> records = poll(consumer, 10);
                Set<Integer> numbers = records.stream().map(ShareCheck::number).collect(Collectors.toCollection(TreeSet::new));
                Set<Integer> expected = IntStream.range(0, 20).filter(number -> number % 2 == 1).boxed()
                    .collect(Collectors.toCollection(TreeSet::new));
                expect(expected, numbers, "unsettled records of " + topic);
                expect(10, records.size(), "unsettled records of " + topic + ", each once");
                consumer.commitSync();
                expect(0, poll(consumer, 1, Duration.ofSeconds(2)).size(), "more records of " + topic);
            }
        }
    }

    private static int number(ConsumerRecord<String, String> record) {
        return Integer.parseInt(record.value().substring("value-".length()));
    }

    private KafkaShareConsumer<String, String> consumer(String group, String mode, String topic) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", kafka);
        properties.put("group.id", group);
        properties.put("share.acknowledgement.mode", mode);
        KafkaShareConsumer<String, String> consumer =
            new KafkaShareConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    private static List<ConsumerRecord<String, String>> poll(KafkaShareConsumer<String, String> consumer, int count) {
        return poll(consumer, count, Duration.ofSeconds(30));
    }

    private static List<ConsumerRecord<String, String>> poll(
            KafkaShareConsumer<String, String> consumer, int count, Duration most) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        long deadline = System.nanoTime() + most.toNanos();
        while (records.size() < count && System.nanoTime() < deadline) {
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        }
        return records;
    }

    private static void commit(KafkaShareConsumer<String, String> consumer) {
        consumer.commitSync().values().forEach(problem -> problem.ifPresent(found -> { throw found; }));
    }

    private static Set<String> values(Collection<ConsumerRecord<String, String>> records) {
        return records.stream().map(ConsumerRecord::value).collect(Collectors.toCollection(TreeSet::new));
    }

    private Properties producerProperties() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", kafka);
        properties.put("key.serializer", StringSerializer.class.getName());
        properties.put("value.serializer", StringSerializer.class.getName());
        return properties;
    }

    private void produce(String topic, int count) throws Exception {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(producerProperties())) {
            for (int number = 0; number < count; number++) {
                producer.send(new ProducerRecord<>(topic, "key-" + number, "value-" + number)).get();
            }
        }
    }

    private Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", kafka));
    }

    private void configure(String group, Map<String, String> settings) throws Exception {
        try (Admin admin = admin()) {
            List<AlterConfigOp> changes = new TreeMap<>(settings).entrySet().stream()
                .map(one -> new AlterConfigOp(new ConfigEntry(one.getKey(), one.getValue()), AlterConfigOp.OpType.SET))
                .toList();
            ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
            admin.incrementalAlterConfigs(Map.of(resource, changes)).all().get();
            var described = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            settings.forEach((name, value) -> expect(value, described.get(name).value(), name));
        }
    }

    private long start(String group, String topic) throws Exception {
        try (Admin admin = admin()) {
            var offsets = admin.listShareGroupOffsets(
                Map.of(group, new org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec())).all().get().get(group);
            return offsets.get(new TopicPartition(topic, 0)).startOffset();
        }
    }

    private void put(String path, String body) throws Exception {
        send(HttpRequest.newBuilder(URI.create("http://" + http + path))
            .PUT(HttpRequest.BodyPublishers.ofString(body)).header("content-type", "application/json").build());
    }

    private String get(String path) throws Exception {
        return send(HttpRequest.newBuilder(URI.create("http://" + http + path)).build());
    }

    /** What HTTP receives and acknowledges, or nothing. */
    private String receive(String queue) throws Exception {
        String body = send(HttpRequest.newBuilder(URI.create("http://" + http + "/v1/topics/" + queue + "/receive"))
            .POST(HttpRequest.BodyPublishers.ofString("{\"max\":1,\"wait_ms\":0}"))
            .header("content-type", "application/json").build());
        return body.contains("\"messages\":[]") ? "" : body;
    }

    private static String send(HttpRequest request) throws Exception {
        HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        expect(2, response.statusCode() / 100, "status of " + request.uri() + ": " + response.body());
        return response.body();
    }

    private static void expect(Object wanted, Object got, String what) {
        if (!wanted.equals(got)) {
            throw new AssertionError(what + ": expected " + wanted + ", got " + got);
        }
    }
}
