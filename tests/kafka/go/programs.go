// The programs that confluent-kafka-go's users write, run against the broker whose address is the first argument.
// The script that runs this gives it to both major versions of the client.
package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func makeTopic(topic string, partitions int) {
	admin, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": broker})
	check(err)
	defer admin.Close()
	spec := kafka.TopicSpecification{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}
	results, err := admin.CreateTopics(context.Background(), []kafka.TopicSpecification{spec})
	check(err)
	for _, result := range results {
		require(result.Error.Code() == kafka.ErrNoError, "%v", result)
	}
}

// A producer with a goroutine that takes delivery reports.
func produce(topic string, count int) {
	producer, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers":  broker,
		"acks":               "all",
		"enable.idempotence": true,
		"compression.type":   "lz4",
		"linger.ms":          10,
		"batch.num.messages": 1000,
		"message.timeout.ms": 60000,
	})
	check(err)
	delivered := 0
	var reports sync.WaitGroup
	reports.Add(1)
	go func() {
		defer reports.Done()
		for event := range producer.Events() {
			switch event := event.(type) {
			case *kafka.Message:
				check(event.TopicPartition.Error)
				delivered++
				if delivered == count {
					return
				}
			case kafka.Error:
				panic(event)
			}
		}
	}()
	for number := range count {
		check(producer.Produce(&kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
			Key:            []byte(fmt.Sprintf("key-%d", number)),
			Value:          []byte(fmt.Sprintf("value-%d", number)),
			Headers:        []kafka.Header{{Key: "number", Value: []byte(fmt.Sprint(number))}},
		}, nil))
	}
	require(producer.Flush(int(patience.Milliseconds())) == 0, "not everything was delivered")
	reports.Wait()
	producer.Close()
}

func newConsumer(group string, extra kafka.ConfigMap) *kafka.Consumer {
	config := kafka.ConfigMap{
		"bootstrap.servers":    broker,
		"group.id":             group,
		"enable.auto.commit":   false,
		"auto.offset.reset":    "earliest",
		"max.poll.interval.ms": 300000,
		"fetch.min.bytes":      1024,
		"fetch.max.bytes":      52428800,
	}
	for key, value := range extra {
		config[key] = value
	}
	consumer, err := kafka.NewConsumer(&config)
	check(err)
	return consumer
}

// A consumer that commits each message.
func consume(topic, group string, count int) {
	consumer := newConsumer(group, nil)
	check(consumer.SubscribeTopics([]string{topic}, nil))
	seen := map[string]bool{}
	deadline := time.Now().Add(patience)
	for len(seen) < count {
		require(time.Now().Before(deadline), "%d of %d messages came", len(seen), count)
		message, err := consumer.ReadMessage(time.Second)
		if err != nil {
			if failed, ok := err.(kafka.Error); ok && failed.Code() == kafka.ErrTimedOut {
				continue
			}
			panic(err)
		}
		require("value-"+string(message.Headers[0].Value) == string(message.Value), "headers are of another message")
		seen[string(message.Value)] = true
		_, err = consumer.CommitMessage(message)
		check(err)
	}
	check(consumer.Close())
}

func offsets(topic, group string) {
	consumer := newConsumer(group, nil)
	low, high, err := consumer.QueryWatermarkOffsets(topic, 0, int(patience.Milliseconds()))
	check(err)
	require(low == 0 && high > 1, "partition 0 is from %d to %d", low, high)
	part := kafka.TopicPartition{Topic: &topic, Partition: 0, Offset: 1}
	committed, err := consumer.CommitOffsets([]kafka.TopicPartition{part})
	check(err)
	check(committed[0].Error)
	found, err := consumer.Committed([]kafka.TopicPartition{{Topic: &topic, Partition: 0}}, int(patience.Milliseconds()))
	check(err)
	require(found[0].Offset == 1, "committed 1, found %v", found[0])
	check(consumer.Assign([]kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: kafka.OffsetBeginning}}))
	check(consumer.Pause([]kafka.TopicPartition{{Topic: &topic, Partition: 0}}))
	require(consumer.Poll(300) == nil, "a paused partition was read")
	check(consumer.Resume([]kafka.TopicPartition{{Topic: &topic, Partition: 0}}))
	message, err := consumer.ReadMessage(patience)
	check(err)
	require(message.TopicPartition.Offset == 0, "went on at %v", message.TopicPartition)
	check(consumer.Close())
}

// Two cooperative-sticky consumers that handle assigned and revoked partitions.
func rebalance(topic, group string, partitions int) {
	type member struct {
		consumer *kafka.Consumer
		owned    map[int32]bool
		revoked  int
	}
	start := func() *member {
		made := &member{owned: map[int32]bool{}}
		made.consumer = newConsumer(group, kafka.ConfigMap{"partition.assignment.strategy": "cooperative-sticky"})
		check(made.consumer.SubscribeTopics([]string{topic}, func(consumer *kafka.Consumer, event kafka.Event) error {
			switch event := event.(type) {
			case kafka.AssignedPartitions:
				for _, part := range event.Partitions {
					made.owned[part.Partition] = true
				}
				return consumer.IncrementalAssign(event.Partitions)
			case kafka.RevokedPartitions:
				for _, part := range event.Partitions {
					delete(made.owned, part.Partition)
					made.revoked++
				}
				return consumer.IncrementalUnassign(event.Partitions)
			}
			return nil
		}))
		return made
	}
	settle := func(wanted func() bool, members ...*member) {
		for deadline := time.Now().Add(patience); !wanted(); {
			require(time.Now().Before(deadline), "the group did not settle")
			for _, one := range members {
				one.consumer.Poll(50)
			}
		}
	}
	one := start()
	settle(func() bool { return len(one.owned) == partitions }, one)
	two := start()
	settle(func() bool { return len(one.owned) == partitions/2 && len(two.owned) == partitions/2 }, one, two)
	require(one.revoked == partitions/2, "%d partitions were taken away", one.revoked)
	check(one.consumer.Close())
	settle(func() bool { return len(two.owned) == partitions }, two)
	check(two.consumer.Close())
}

// Consume, transform, produce, exactly once.
func transact(topic, out, group string, count int) {
	consumer := newConsumer(group, nil)
	check(consumer.SubscribeTopics([]string{topic}, nil))
	producer, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": broker, "transactional.id": "go-" + group})
	check(err)
	go func() {
		for range producer.Events() {
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	check(producer.InitTransactions(ctx))
	check(producer.BeginTransaction())
	check(producer.Produce(&kafka.Message{
		TopicPartition: kafka.TopicPartition{Topic: &out, Partition: 0}, Value: []byte("never seen"),
	}, nil))
	check(producer.AbortTransaction(ctx))
	check(producer.BeginTransaction())
	for done := 0; done < count; {
		message, err := consumer.ReadMessage(patience)
		check(err)
		check(producer.Produce(&kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &out, Partition: 0}, Value: message.Value,
		}, nil))
		done++
	}
	assigned, err := consumer.Assignment()
	check(err)
	positions, err := consumer.Position(assigned)
	check(err)
	metadata, err := consumer.GetConsumerGroupMetadata()
	check(err)
	check(producer.SendOffsetsToTransaction(ctx, positions, metadata))
	check(producer.CommitTransaction(ctx))
	producer.Close()
	committed, err := consumer.Committed(assigned, int(patience.Milliseconds()))
	check(err)
	total := 0
	for _, part := range committed {
		total += int(part.Offset)
	}
	require(total == count, "%d offsets were committed, not %d", total, count)
	check(consumer.Close())
	reader := newConsumer(group+"-reader", kafka.ConfigMap{"isolation.level": "read_committed"})
	check(reader.SubscribeTopics([]string{out}, nil))
	for range count {
		message, err := reader.ReadMessage(patience)
		check(err)
		require(string(message.Value) != "never seen", "a record of an aborted transaction was read")
	}
	check(reader.Close())
}

func main() {
	_, version := kafka.LibraryVersion()
	run := fmt.Sprintf("go-%d", time.Now().UnixNano())
	in, out := run+"-in", run+"-out"
	makeTopic(in, 4)
	makeTopic(out, 1)
	produce(in, 2000)
	consume(in, run+"-each", 2000)
	offsets(in, run+"-offsets")
	rebalance(in, run+"-rebalance", 4)
	transact(in, out, run+"-transact", 2000)
	fmt.Println("confluent-kafka-go with librdkafka", version, "did everything")
}
