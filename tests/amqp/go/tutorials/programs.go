package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A program of a tutorial: what a reader would have in a file of its own. It prints "ready" once it waits for messages.
type program func(channel *amqp.Channel, arguments []string)

var programs = map[string]program{
	"send": send, "receive": receive,
	"new_task": newTask, "worker": worker,
	"emit_log": emit("logs", "fanout"), "receive_logs": receiveLogs("logs", "fanout"),
	"emit_log_direct": emit("logs_direct", "direct"), "receive_logs_direct": receiveLogs("logs_direct", "direct"),
	"emit_log_topic": emit("logs_topic", "topic"), "receive_logs_topic": receiveLogs("logs_topic", "topic"),
	"rpc_server": rpcServer, "rpc_client": rpcClient,
}

// publish sends a message, as every tutorial does it.
func publish(channel *amqp.Channel, exchange, key string, message amqp.Publishing) {
	soon, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	message.ContentType = "text/plain"
	check(channel.PublishWithContext(soon, exchange, key, false, false, message))
}

func ready() { fmt.Println("ready") }

// Hello world: a queue that does not survive, and a consumer that settles nothing.
func hello(channel *amqp.Channel) amqp.Queue {
	queue, err := channel.QueueDeclare("hello", false, false, false, false, nil)
	check(err)
	return queue
}

func send(channel *amqp.Channel, _ []string) {
	queue := hello(channel)
	publish(channel, "", queue.Name, amqp.Publishing{Body: []byte("Hello World!")})
	fmt.Println("sent Hello World!")
}

func receive(channel *amqp.Channel, _ []string) {
	messages, err := channel.Consume(hello(channel).Name, "", true, false, false, false, nil)
	check(err)
	ready()
	for message := range messages {
		fmt.Printf("received %q of type %s\n", message.Body, message.ContentType)
	}
}

// Work queues: a durable queue, persistent tasks, one task at a time, settled when it is done. A dot is work.
func tasks(channel *amqp.Channel) amqp.Queue {
	queue, err := channel.QueueDeclare("task_queue", true, false, false, false, nil)
	check(err)
	return queue
}

func newTask(channel *amqp.Channel, arguments []string) {
	for _, task := range arguments {
		publish(channel, "", tasks(channel).Name, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(task)})
		fmt.Println("sent", task)
	}
}

func worker(channel *amqp.Channel, arguments []string) {
	queue := tasks(channel)
	check(channel.Qos(1, 0, false))
	messages, err := channel.Consume(queue.Name, "", false, false, false, false, nil)
	check(err)
	ready()
	for message := range messages {
		fmt.Printf("received %s mode %d again %v\n", message.Body, message.DeliveryMode, message.Redelivered)
		if len(arguments) > 0 && arguments[0] == "stuck" {
			select {}
		}
		time.Sleep(time.Duration(bytes.Count(message.Body, []byte("."))) * 10 * time.Millisecond)
		check(message.Ack(false))
		fmt.Println("done")
	}
}

// Publish/subscribe, routing and topics: exchanges that survive, and a queue of each receiver's own.
func emit(exchange, kind string) program {
	return func(channel *amqp.Channel, arguments []string) {
		check(channel.ExchangeDeclare(exchange, kind, true, false, false, false, nil))
		for ; len(arguments) >= 2; arguments = arguments[2:] {
			key, text := arguments[0], arguments[1]
			publish(channel, exchange, key, amqp.Publishing{Body: []byte(text)})
			fmt.Printf("sent %s with %q\n", text, key)
		}
	}
}

func receiveLogs(exchange, kind string) program {
	return func(channel *amqp.Channel, keys []string) {
		check(channel.ExchangeDeclare(exchange, kind, true, false, false, false, nil))
		queue, err := channel.QueueDeclare("", false, false, true, false, nil)
		check(err)
		for _, key := range keys {
			check(channel.QueueBind(queue.Name, key, exchange, false, nil))
		}
		messages, err := channel.Consume(queue.Name, "", true, false, false, false, nil)
		check(err)
		ready()
		for message := range messages {
			fmt.Printf("received %s from %s with %q\n", message.Body, message.Exchange, message.RoutingKey)
		}
	}
}

// Remote procedure call: requests in a shared queue, answers in one of the client's own, told apart by an id.
func fibonacci(n int) int {
	if n < 2 {
		return n
	}
	return fibonacci(n-1) + fibonacci(n-2)
}

func rpcServer(channel *amqp.Channel, _ []string) {
	queue, err := channel.QueueDeclare("rpc_queue", false, false, false, false, nil)
	check(err)
	check(channel.Qos(1, 0, false))
	requests, err := channel.Consume(queue.Name, "", false, false, false, false, nil)
	check(err)
	ready()
	for request := range requests {
		n, err := strconv.Atoi(string(request.Body))
		check(err)
		answer := amqp.Publishing{CorrelationId: request.CorrelationId, Body: []byte(strconv.Itoa(fibonacci(n)))}
		publish(channel, "", request.ReplyTo, answer)
		check(request.Ack(false))
		fmt.Printf("answered fib(%d)\n", n)
	}
}

func rpcClient(channel *amqp.Channel, arguments []string) {
	own, err := channel.QueueDeclare("", false, false, true, false, nil)
	check(err)
	answers, err := channel.Consume(own.Name, "", true, false, false, false, nil)
	check(err)
	for at, n := range arguments {
		id := fmt.Sprintf("request %d", at)
		publish(channel, "", "rpc_queue", amqp.Publishing{CorrelationId: id, ReplyTo: own.Name, Body: []byte(n)})
		for answer := range answers {
			if answer.CorrelationId == id {
				fmt.Printf("fib(%s) is %s\n", n, answer.Body)
				break
			}
		}
	}
}
