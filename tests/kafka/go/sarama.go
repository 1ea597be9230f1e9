// What Sarama's users write, run against the broker whose address is the first argument.
package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	return config
}

// An idempotent producer, once with each way to compress.
func produce(topic string, count int) {
	codecs := []sarama.CompressionCodec{
		sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4,
		sarama.CompressionZSTD,
	}
	for at, codec := range codecs {
		config := config()
		config.Producer.Compression = codec
		producer, err := sarama.NewSyncProducer([]string{broker}, config)
		check(err)
		var messages []*sarama.ProducerMessage
		for number := at * count / len(codecs); number < (at+1)*count/len(codecs); number++ {
			messages = append(messages, &sarama.ProducerMessage{
				Topic:   topic,
				Key:     sarama.StringEncoder(fmt.Sprintf("key-%d", number)),
				Value:   sarama.StringEncoder(fmt.Sprintf("value-%d", number)),
				Headers: []sarama.RecordHeader{{Key: []byte("number"), Value: fmt.Append(nil, number)}},
			})
		}
		check(producer.SendMessages(messages))
		check(producer.Close())
	}
}

// A member of a group that marks messages, commits them, and knows which partitions it holds.
type member struct {
	lock  sync.Mutex
	owned int
	seen  map[string]bool
}

func (one *member) Setup(session sarama.ConsumerGroupSession) error {
	return one.own(session)
}

func (one *member) own(session sarama.ConsumerGroupSession) error {
	one.lock.Lock()
	defer one.lock.Unlock()
	one.owned = 0
	for _, partitions := range session.Claims() {
		one.owned += len(partitions)
	}
	return nil
}

func (one *member) Cleanup(session sarama.ConsumerGroupSession) error {
	session.Commit()
	return nil
}

func (one *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message := <-claim.Messages():
			if message == nil {
				return nil
			}
			number := string(message.Headers[0].Value)
			require("value-"+number == string(message.Value), "headers are of another message")
			one.lock.Lock()
			one.seen[string(message.Value)] = true
			one.lock.Unlock()
			session.MarkMessage(message, "")
			// Not each: Sarama's commits wait behind its fetches.
			if message.Offset%100 == 99 {
				session.Commit()
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (one *member) stands() (owned, seen int) {
	one.lock.Lock()
	defer one.lock.Unlock()
	return one.owned, len(one.seen)
}

// Joins a group; what comes back leaves it.
func join(topic, group string) (*member, func()) {
	one := &member{seen: map[string]bool{}}
	consumer, err := sarama.NewConsumerGroup([]string{broker}, group, config())
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			check(consumer.Consume(ctx, []string{topic}, one))
		}
	}()
	return one, func() {
		cancel()
		<-done
		check(consumer.Close())
	}
}

func await(what string, holds func() bool) {
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		require(time.Now().Before(deadline), "%s did not come about", what)
	}
}

// One member reads everything; another one takes half of the partitions, and all of them once it is alone.
func consume(topic, group string, partitions, count int) {
	one, leave := join(topic, group)
	await("reading everything", func() bool { _, seen := one.stands(); return seen == count })
	two, leaveToo := join(topic, group)
	await("sharing", func() bool {
		its, _ := one.stands()
		others, _ := two.stands()
		return its == partitions/2 && others == partitions/2
	})
	leave()
	await("taking over", func() bool { owned, _ := two.stands(); return owned == partitions })
	_, seen := two.stands()
	require(seen == 0, "%d committed messages came again", seen)
	leaveToo()
}

// A transaction that is aborted and one that is committed, with offsets.
func transact(topic, group string) {
	config := config()
	config.Producer.Transaction.ID = group
	producer, err := sarama.NewAsyncProducer([]string{broker}, config)
	check(err)
	for _, value := range []string{"never seen", "seen"} {
		check(producer.BeginTxn())
		producer.Input() <- &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)}
		select {
		case <-producer.Successes():
		case failed := <-producer.Errors():
			panic(failed)
		}
		if value == "seen" {
			offset := &sarama.PartitionOffsetMetadata{Partition: 0, Offset: 1}
			offsets := map[string][]*sarama.PartitionOffsetMetadata{topic: {offset}}
			check(producer.AddOffsetsToTxn(offsets, group))
			check(producer.CommitTxn())
		} else {
			check(producer.AbortTxn())
		}
	}
	check(producer.Close())
	config = sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	consumer, err := sarama.NewConsumer([]string{broker}, config)
	check(err)
	claim, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	check(err)
	select {
	case message := <-claim.Messages():
		require(string(message.Value) == "seen", "%s was read", message.Value)
	case <-time.After(patience):
		panic("the committed message did not come")
	}
	check(claim.Close())
	check(consumer.Close())
}

func administer(admin sarama.ClusterAdmin, topic, group string, transaction string) {
	found, err := admin.ListConsumerGroupOffsets(transaction, nil)
	check(err)
	committed := int64(0)
	for _, partitions := range found.Blocks {
		for _, block := range partitions {
			committed += block.Offset
		}
	}
	require(committed == 1, "the transaction committed offset %d", committed)
	described, err := admin.DescribeTopics([]string{topic})
	check(err)
	require(len(described) == 1 && len(described[0].Partitions) == 4, "the topic is not described")
	groups, err := admin.DescribeConsumerGroups([]string{group})
	check(err)
	require(len(groups) == 1, "the group is not described")
	check(admin.DeleteConsumerGroup(group))
	check(admin.DeleteTopic(topic))
}

func main() {
	run := fmt.Sprintf("sarama-%d", time.Now().UnixNano())
	in, out, group := run+"-in", run+"-out", run+"-group"
	admin, err := sarama.NewClusterAdmin([]string{broker}, config())
	check(err)
	check(admin.CreateTopic(in, &sarama.TopicDetail{NumPartitions: 4, ReplicationFactor: 1}, false))
	check(admin.CreateTopic(out, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false))
	produce(in, 2000)
	consume(in, group, 4, 2000)
	transact(out, run+"-transaction")
	administer(admin, in, group, run+"-transaction")
	check(admin.Close())
	fmt.Println("Sarama did everything")
}
