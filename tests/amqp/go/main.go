// Command amqpcheck does with amqp091-go what RabbitMQ's tutorials do: hello world, work queues, publish/subscribe,
// routing, topics, RPC, and publisher confirms. Prints what is seen, one named line each. Usage: amqpcheck PORT
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func expect(holds bool, what string, more ...any) {
	if !holds {
		log.Panic(what, more)
	}
}

func show(name string, values ...any) {
	fmt.Printf("amqp091-go %s: %v\n", name, values)
}

func next(deliveries <-chan amqp.Delivery) amqp.Delivery {
	select {
	case delivery := <-deliveries:
		return delivery
	case <-time.After(10 * time.Second):
		log.Panic("nothing was delivered")
		panic("unreachable")
	}
}

func main() {
	connection, err := amqp.Dial("amqp://guest:guest@127.0.0.1:" + os.Args[1] + "/")
	check(err)
	channel, err := connection.Channel()
	check(err)
	ctx := context.Background()

	// Hello world, and work queues with persistent tasks and fair dispatch.
	tasks, err := channel.QueueDeclare("go_tasks", true, false, false, false, nil)
	check(err)
	check(channel.Confirm(false))
	for n := 0; n < 100; n++ {
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, ContentType: "text/plain", Body: []byte(strconv.Itoa(n))}
		confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", tasks.Name, false, false, message)
		check(err)
		expect(confirm.Wait(), "not confirmed", n)
	}
	check(channel.Qos(1, 0, false))
	deliveries, err := channel.Consume(tasks.Name, "worker", false, false, false, false, nil)
	check(err)
	for n := 0; n < 100; n++ {
		delivery := next(deliveries)
		expect(string(delivery.Body) == strconv.Itoa(n), "order", string(delivery.Body), n)
		if n == 99 {
			show("last task", delivery.Exchange, delivery.RoutingKey, delivery.Redelivered, delivery.DeliveryTag, delivery.DeliveryMode, delivery.ContentType, delivery.ConsumerTag)
		}
		check(delivery.Ack(false))
	}
	check(channel.Cancel("worker", false))

	// Publish/subscribe, routing and topics.
	for _, one := range [][3]string{{"fanout", "", "any"}, {"direct", "warning", "warning"}, {"topic", "kern.*", "kern.critical"}} {
		kind, keys := one[0], one[1:]
		check(channel.ExchangeDeclare("go_"+kind, kind, false, true, false, false, nil))
		queue, err := channel.QueueDeclare("", false, false, true, false, nil)
		check(err)
		check(channel.QueueBind(queue.Name, keys[0], "go_"+kind, false, nil))
		check(channel.PublishWithContext(ctx, "go_"+kind, keys[1], false, false, amqp.Publishing{Body: []byte(kind)}))
		got, err := channel.Consume(queue.Name, "", true, true, false, false, nil)
		check(err)
		delivery := next(got)
		expect(string(delivery.Body) == kind && delivery.RoutingKey == keys[1], kind, delivery)
		show(kind, string(delivery.Body), delivery.Exchange, delivery.RoutingKey, delivery.Redelivered)
	}

	// RPC over direct reply-to.
	replies, err := channel.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil)
	check(err)
	ask := amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to", CorrelationId: "42", Body: []byte("ping")}
	check(channel.PublishWithContext(ctx, "", tasks.Name, false, false, ask))
	question, ok, err := channel.Get(tasks.Name, true)
	for deadline := time.Now().Add(10 * time.Second); !ok && time.Now().Before(deadline); {
		check(err)
		question, ok, err = channel.Get(tasks.Name, true)
	}
	check(err)
	expect(ok, "no question")
	server, err := connection.Channel()
	check(err)
	check(server.PublishWithContext(ctx, "", question.ReplyTo, false, false, amqp.Publishing{CorrelationId: question.CorrelationId, Body: []byte("pong")}))
	reply := next(replies)
	expect(string(reply.Body) == "pong" && reply.CorrelationId == "42", "reply", reply)
	show("reply", string(reply.Body), reply.CorrelationId, reply.Exchange, question.ReplyTo != ask.ReplyTo, question.MessageCount)

	// An error closes the channel, not the connection.
	closed := server.NotifyClose(make(chan *amqp.Error, 1))
	_, err = server.QueueDeclarePassive("go_nothing", false, false, false, false, nil)
	expect(err != nil, "a queue that is not there was found")
	why := <-closed
	expect(why.Code == 404, "code")
	show("not found", why.Code, why.Reason, why.Server, why.Recover)
	left, err := channel.QueueDelete(tasks.Name, false, false, false)
	check(err)
	show("left", left)
	show("tuned", connection.Config.ChannelMax, connection.Config.FrameSize, connection.Config.Heartbeat)
	check(connection.Close())
}
