// Sends records to a log and reads them back with the settings that it is given, as a user of confluent-kafka-go
// would. Usage: secured TOPIC KEY=VALUE… ; it prints `works`, or `refused:` and the error that the client was told.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	count    = 100
	patience = 30 * time.Second
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func settings() kafka.ConfigMap {
	config := kafka.ConfigMap{"log_level": 0}
	for _, pair := range os.Args[2:] {
		key, value, _ := strings.Cut(pair, "=")
		config[key] = value
	}
	return config
}

// What a refusal tells: the client itself goes on trying. One of TLS 1.3 comes after the client's side of the handshake, as
// an alert, which librdkafka takes for a connection that broke.
func refusal(event kafka.Event) {
	failed, ok := event.(kafka.Error)
	if !ok {
		return
	}
	if failed.Code() == kafka.ErrAuthentication || failed.Code() == kafka.ErrSsl {
		fmt.Println("refused:", failed.Code())
		os.Exit(0)
	}
	if _, alert, found := strings.Cut(failed.Error(), "SSL alert number "); found {
		number, _, _ := strings.Cut(alert, " ")
		fmt.Println("refused: SSL alert", strings.TrimRight(number, ":)"))
		os.Exit(0)
	}
}

func produce(topic string) {
	config := settings()
	config["acks"] = "all"
	config["message.timeout.ms"] = int(patience.Milliseconds())
	producer, err := kafka.NewProducer(&config)
	check(err)
	for number := range count {
		value := []byte(fmt.Sprint(number))
		where := kafka.TopicPartition{Topic: &topic, Partition: 0}
		check(producer.Produce(&kafka.Message{TopicPartition: where, Value: value}, nil))
	}
	for delivered := 0; delivered < count; {
		switch event := (<-producer.Events()).(type) {
		case *kafka.Message:
			check(event.TopicPartition.Error)
			delivered++
		default:
			refusal(event)
		}
	}
	producer.Close()
}

func consume(topic string) {
	config := settings()
	config["group.id"] = fmt.Sprint("secured-", os.Getpid())
	config["auto.offset.reset"] = "earliest"
	consumer, err := kafka.NewConsumer(&config)
	check(err)
	check(consumer.SubscribeTopics([]string{topic}, nil))
	deadline := time.Now().Add(patience)
	for seen := 0; seen < count; {
		if time.Now().After(deadline) {
			panic(fmt.Sprintf("%d of %d records came", seen, count))
		}
		switch event := consumer.Poll(1000).(type) {
		case *kafka.Message:
			check(event.TopicPartition.Error)
			seen++
		case nil:
		default:
			refusal(event)
		}
	}
	check(consumer.Close())
}

func main() {
	produce(os.Args[1])
	consume(os.Args[1])
	fmt.Println("works")
}
