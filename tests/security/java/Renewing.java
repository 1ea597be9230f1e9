import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A producer whose login lasts for a short time only. The standard input has its settings, KEY=VALUE.
 *
 * {@code TOPIC busy COUNT} sends records until the client has renewed its login so often, and prints what its metrics say of
 * connections and logins since the second record. {@code TOPIC idle} sends one, waits until the broker has closed as many
 * connections as it had, and sends another.
 */
public class Renewing {
    private static final long PATIENCE = 120_000_000_000L;
    private static KafkaProducer<String, String> producer;
    private static String topic;

    public static void main(String[] arguments) throws Exception {
        topic = arguments[0];
        Properties settings = new Properties();
        settings.load(System.in);
        settings.put("acks", "all");
        StringSerializer text = new StringSerializer();
        try (KafkaProducer<String, String> made = new KafkaProducer<>(settings, text, text)) {
            producer = made;
            send();
            // Whom it asked for the brokers, and the broker that has the log.
            send();
            if (arguments[1].equals("busy")) {
                busy(Integer.parseInt(arguments[2]));
            } else {
                idle();
            }
        }
    }

    private static void busy(int count) throws Exception {
        double opened = metric("connection-creation-total");
        double renewed = metric("successful-reauthentication-total");
        long deadline = System.nanoTime() + PATIENCE;
        int sent = 0;
        while (metric("successful-reauthentication-total") < renewed + count && System.nanoTime() < deadline) {
            send();
            sent++;
        }
        System.out.printf(
            "renewals=%.0f sent=%d opened=%.0f failed=%.0f%n",
            metric("successful-reauthentication-total") - renewed, sent, metric("connection-creation-total") - opened,
            metric("failed-authentication-total") + metric("failed-reauthentication-total"));
    }

    private static void idle() throws Exception {
        double opened = metric("connection-creation-total");
        long deadline = System.nanoTime() + PATIENCE;
        while (metric("connection-close-total") < opened && System.nanoTime() < deadline) {
            Thread.sleep(10);
        }
        double closed = metric("connection-close-total");
        send();
        System.out.printf(
            "left=%.0f opened=%.0f failed=%.0f%n", Math.max(0, opened - closed),
            metric("connection-creation-total") - opened, metric("failed-authentication-total"));
    }

    private static void send() throws Exception {
        producer.send(new ProducerRecord<>(topic, "again")).get();
    }

    private static double metric(String name) {
        List<? extends Metric> found = producer.metrics().values().stream()
            .filter(one -> one.metricName().name().equals(name) && one.metricName().group().equals("producer-metrics"))
            .toList();
        return ((Number) found.get(0).metricValue()).doubleValue();
    }
}
