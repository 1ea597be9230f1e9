import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Sends records to a log and reads them back with the settings that it is given, one case a line on the standard input:
 * the topic and KEY=VALUE, with tabs between them. For each it prints {@code works}, or {@code refused:} and the exception.
 */
public class Secured {
    private static final int COUNT = 100;
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    public static void main(String[] arguments) throws Exception {
        for (String line : new String(System.in.readAllBytes()).lines().toList()) {
            List<String> parts = List.of(line.split("\t"));
            Properties given = new Properties();
            for (String pair : parts.subList(1, parts.size())) {
                int equals = pair.indexOf('=');
                given.put(pair.substring(0, equals), pair.substring(equals + 1));
            }
            System.out.println(tried(parts.get(0), given));
        }
    }

    private static String tried(String topic, Properties given) throws Exception {
        try {
            produce(topic, with(given, "acks", "all", "max.block.ms", "" + PATIENCE.toMillis()));
            consume(topic, with(given, "group.id", "secured-java", "auto.offset.reset", "earliest"));
            return "works";
        } catch (ExecutionException failed) {
            if (failed.getCause() instanceof AuthenticationException refused) {
                return "refused: " + refused.getClass().getSimpleName() + ": " + refused.getMessage();
            }
            throw failed;
        } catch (AuthenticationException refused) {
            return "refused: " + refused.getClass().getSimpleName() + ": " + refused.getMessage();
        }
    }

    private static Properties with(Properties given, String... pairs) {
        Properties all = new Properties();
        all.putAll(given);
        for (int at = 0; at < pairs.length; at += 2) {
            all.put(pairs[at], pairs[at + 1]);
        }
        return all;
    }

    private static void produce(String topic, Properties settings) throws Exception {
        StringSerializer text = new StringSerializer();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, text, text)) {
            for (int number = 0; number < COUNT; number++) {
                producer.send(new ProducerRecord<>(topic, "" + number)).get();
            }
        }
    }

    private static void consume(String topic, Properties settings) {
        StringDeserializer text = new StringDeserializer();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings, text, text)) {
            consumer.subscribe(List.of(topic));
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            int seen = 0;
            while (seen < COUNT) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException(seen + " of " + COUNT + " records came");
                }
                seen += consumer.poll(Duration.ofSeconds(1)).count();
            }
        }
    }
}
