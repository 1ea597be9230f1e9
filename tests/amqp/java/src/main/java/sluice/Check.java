package sluice;

import com.rabbitmq.client.*;
import java.util.*;
import java.util.concurrent.*;

/** RabbitMQ's Java client: what its users do. Prints what they see, one named line each. Argument: the port. */
public final class Check {
    public static void main(String[] args) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost("127.0.0.1");
        factory.setPort(Integer.parseInt(args[0]));
        factory.setRequestedHeartbeat(5);
        try (Connection connection = factory.newConnection("java check")) {
            Channel channel = connection.createChannel();
            channel.confirmSelect();
            String queue = channel.queueDeclare().getQueue();
            Map<String, Object> headers = Map.of("n", 1, "text", "two", "list", List.of(1, 2));
            AMQP.BasicProperties properties =
                    MessageProperties.PERSISTENT_TEXT_PLAIN.builder().headers(headers).build();
            for (int n = 0; n < 500; n++) {
                channel.basicPublish("", queue, properties, String.valueOf(n).getBytes());
            }
            channel.waitForConfirmsOrDie(10_000);
            channel.basicQos(20);
            BlockingQueue<Delivery> got = new LinkedBlockingQueue<>();
            channel.basicConsume(queue, false, (tag, delivery) -> {
                got.add(delivery);
                channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
            }, tag -> {});
            for (int n = 0; n < 500; n++) {
                Delivery delivery = got.poll(10, TimeUnit.SECONDS);
                expect(delivery != null && new String(delivery.getBody()).equals(String.valueOf(n)), "message " + n);
                if (n == 499) {
                    Envelope envelope = delivery.getEnvelope();
                    AMQP.BasicProperties last = delivery.getProperties();
                    show("last", envelope.getExchange(), envelope.isRedeliver(), envelope.getDeliveryTag(),
                            last.getDeliveryMode(), last.getContentType(), last.getPriority(),
                            new TreeMap<>(last.getHeaders()));
                }
            }
            show("tuned", connection.getChannelMax(), connection.getFrameMax(), connection.getHeartbeat());
            Channel other = connection.createChannel();
            BlockingQueue<Return> returned = new LinkedBlockingQueue<>();
            other.addReturnListener(returned::add);
            other.basicPublish("amq.topic", "nowhere", true, properties, "back".getBytes());
            Return back = returned.poll(10, TimeUnit.SECONDS);
            show("returned", back.getReplyCode(), back.getReplyText(), back.getExchange(), back.getRoutingKey());
            try {
                channel.txSelect();
                throw new AssertionError("a confirming channel became transactional");
            } catch (java.io.IOException refused) {
                ShutdownSignalException why = (ShutdownSignalException) refused.getCause();
                AMQP.Channel.Close close = (AMQP.Channel.Close) why.getReason();
                show("refused", close.getReplyCode(), close.getReplyText(), close.getClassId(), close.getMethodId());
            }
        }
    }

    static void show(String name, Object... values) {
        System.out.println("amqp-client " + name + ": " + Arrays.asList(values));
    }

    static void expect(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }
}
