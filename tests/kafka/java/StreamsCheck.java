import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * An application of Kafka Streams that counts each order exactly once: it repartitions, keeps sums in stores with changelogs and
 * standbys, joins them with a table and counts in windows. Says `crash` when its broker is to be killed, and goes on with the next
 * line that it is told. Arguments: the broker's address and a directory.
 */
public class StreamsCheck {
    static final int ORDERS = 6000;
    static String servers;

    static Topology topology() {
        StreamsBuilder builder = new StreamsBuilder();
        Consumed<String, String> text = Consumed.with(Serdes.String(), Serdes.String());
        KTable<String, String> customers = builder.table("customers", text, Materialized.as("customers-store"));
        KStream<String, Long> amounts = builder.stream("orders", text).map((order, value) -> {
            String[] parts = value.split(":");
            return KeyValue.pair(parts[0], Long.parseLong(parts[1]));
        });
        KTable<String, Long> totals = amounts.groupByKey(Grouped.with("by-customer", Serdes.String(), Serdes.Long()))
            .aggregate(() -> 0L, (customer, amount, total) -> total + amount, Materialized.with(Serdes.String(), Serdes.Long()));
        totals.toStream().to("totals", Produced.with(Serdes.String(), Serdes.Long()));
        totals.join(customers, (total, name) -> name + "=" + total).toStream()
            .to("joined", Produced.with(Serdes.String(), Serdes.String()));
        amounts.groupByKey(Grouped.with("for-windows", Serdes.String(), Serdes.Long()))
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofHours(1))).count()
            .toStream((window, count) -> window.key() + "@" + window.window().start())
            .to("windows", Produced.with(Serdes.String(), Serdes.Long()));
        return builder.build();
    }

    static KafkaStreams start(String directory) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "orders-app");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, servers);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, directory);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        settings.put(StreamsConfig.NUM_STANDBY_REPLICAS_CONFIG, 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6000);
        KafkaStreams streams = new KafkaStreams(topology(), settings);
        streams.setUncaughtExceptionHandler(error -> StreamThreadExceptionResponse.REPLACE_THREAD);
        streams.start();
        return streams;
    }

    static Properties client() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", servers);
        return settings;
    }

    /** What came out so far. */
    static class Seen {
        final Map<String, Long> totals = new HashMap<>();
        final Map<String, Long> windows = new HashMap<>();
        final Map<String, String> joined = new HashMap<>();
        final KafkaConsumer<String, byte[]> consumer;

        Seen() {
            Properties settings = client();
            settings.put("group.id", "check");
            settings.put("auto.offset.reset", "earliest");
            settings.put("isolation.level", "read_committed");
            consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
            consumer.subscribe(List.of("totals", "joined", "windows"));
        }

        long counted() {
            return windows.values().stream().mapToLong(Long::longValue).sum();
        }

        boolean isJoined(Map<String, Long> expected) {
            return expected.entrySet().stream().allMatch(total ->
                ("name" + total.getKey().substring(1) + "=" + total.getValue()).equals(joined.get(total.getKey())));
        }

        void until(BooleanSupplier enough) {
            long deadline = System.currentTimeMillis() + 120_000;
            while (!enough.getAsBoolean() && System.currentTimeMillis() < deadline) {
                consumer.poll(Duration.ofMillis(200)).forEach(record -> {
                    if (record.topic().equals("joined")) {
                        joined.put(record.key(), new String(record.value()));
                    } else {
                        (record.topic().equals("totals") ? totals : windows).put(record.key(), new LongDeserializer().deserialize("", record.value()));
                    }
                });
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        servers = arguments[0];
        try (Admin admin = Admin.create(client())) {
            List<String> names = List.of("orders", "customers", "totals", "joined", "windows");
            admin.createTopics(names.stream().map(name -> new NewTopic(name, 4, (short) 1)).toList()).all().get();
        }
        Map<String, Long> expected = new HashMap<>();
        Random random = new Random(7);
        KafkaProducer<String, String> producer = new KafkaProducer<>(client(), new StringSerializer(), new StringSerializer());
        for (int customer = 0; customer < 20; customer++) {
            producer.send(new ProducerRecord<>("customers", "c" + customer, "name" + customer));
        }
        producer.flush();
        start(arguments[1] + "/one");
        Seen seen = new Seen();
        for (int order = 1; order <= ORDERS; order++) {
            String customer = "c" + random.nextInt(20);
            long amount = random.nextInt(100);
            expected.merge(customer, amount, Long::sum);
            producer.send(new ProducerRecord<>("orders", "o" + order, customer + ":" + amount));
            if (order == ORDERS / 3) {
                producer.flush();
                seen.until(() -> seen.counted() >= ORDERS / 6);
                System.out.println("crash");
                System.in.read();
            }
            if (order == ORDERS * 2 / 3) {
                start(arguments[1] + "/two");
            }
        }
        producer.flush();
        BooleanSupplier right = () -> seen.counted() == ORDERS && seen.totals.equals(expected) && seen.isJoined(expected);
        seen.until(right);
        System.out.printf("totals %s, joined %s, %d of %d counted%n", seen.totals.equals(expected), seen.isJoined(expected),
            seen.counted(), ORDERS);
        Runtime.getRuntime().halt(right.getAsBoolean() ? 0 : 1);
    }
}
