// What franz-go's users write, run against the broker whose address is the first argument.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func connect(options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(broker))...)
	check(err)
	return client
}

// An idempotent producer that compresses and waits for every record.
func produce(ctx context.Context, topic string, count int) {
	client := connect(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(10*time.Millisecond))
	defer client.Close()
	for number := range count {
		client.Produce(ctx, &kgo.Record{
			Key:     fmt.Appendf(nil, "key-%d", number),
			Value:   fmt.Appendf(nil, "value-%d", number),
			Headers: []kgo.RecordHeader{{Key: "number", Value: fmt.Append(nil, number)}},
		}, func(_ *kgo.Record, err error) { check(err) })
	}
	check(client.Flush(ctx))
}

// A consumer that commits each record.
func consume(ctx context.Context, topic, group string, count int) {
	client := connect(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	seen := map[string]bool{}
	for len(seen) < count {
		fetches := client.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			require("value-"+string(record.Headers[0].Value) == string(record.Value), "headers are of another record")
			seen[string(record.Value)] = true
			check(client.CommitRecords(ctx, record))
		})
	}
	client.Close()
}

// What a member of a group holds.
type member struct {
	client *kgo.Client
	lock   sync.Mutex
	owned  map[int32]bool
}

func (one *member) count() int {
	one.lock.Lock()
	defer one.lock.Unlock()
	return len(one.owned)
}

// Two members share out a topic, and one of them leaves. With the context's mark the server assigns (KIP-848).
func rebalance(ctx context.Context, topic, group string, partitions int) {
	start := func() *member {
		one := &member{owned: map[int32]bool{}}
		change := func(assigned bool) func(context.Context, *kgo.Client, map[string][]int32) {
			return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
				one.lock.Lock()
				defer one.lock.Unlock()
				for _, partition := range parts[topic] {
					if assigned {
						one.owned[partition] = true
					} else {
						delete(one.owned, partition)
					}
				}
			}
		}
		one.client = connect(kgo.WithContext(ctx), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
			kgo.DisableAutoCommit(), kgo.HeartbeatInterval(200*time.Millisecond),
			kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)),
			kgo.OnPartitionsLost(change(false)))
		return one
	}
	settle := func(wanted func() bool, members ...*member) {
		for !wanted() {
			check(ctx.Err())
			for _, one := range members {
				polling, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				one.client.PollFetches(polling)
				cancel()
			}
		}
	}
	one := start()
	settle(func() bool { return one.count() == partitions }, one)
	two := start()
	settle(func() bool { return one.count() == partitions/2 && two.count() == partitions/2 }, one, two)
	one.client.Close()
	settle(func() bool { return two.count() == partitions }, two)
	two.client.Close()
}

// Consume, transform, produce, exactly once; a transaction that is aborted before is seen by nobody.
func transact(ctx context.Context, topic, out, group string, count int) {
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(broker), kgo.TransactionalID(group),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.DefaultProduceTopic(out), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	check(err)
	for done, aborted := 0, false; done < count; {
		fetches := session.PollFetches(ctx)
		check(fetches.Err())
		if fetches.NumRecords() == 0 {
			continue
		}
		check(session.Begin())
		fetches.EachRecord(func(record *kgo.Record) {
			value := record.Value
			if !aborted {
				value = []byte("never seen")
			}
			session.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
				if !errors.Is(err, kgo.ErrAborting) {
					check(err)
				}
			})
		})
		committed, err := session.End(ctx, kgo.TransactionEndTry(aborted))
		check(err)
		require(committed == aborted, "a transaction ended the other way")
		if aborted {
			done += fetches.NumRecords()
		}
		aborted = true
	}
	session.Close()
	reader := connect(kgo.ConsumeTopics(out), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	seen := map[string]bool{}
	for len(seen) < count {
		fetches := reader.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			require(string(record.Value) != "never seen", "a record of an aborted transaction was read")
			require(!seen[string(record.Value)], "%s was produced twice", record.Value)
			seen[string(record.Value)] = true
		})
	}
}

func administer(ctx context.Context, admin *kadm.Client, topic, group string, count int64) {
	ends, err := admin.ListEndOffsets(ctx, topic)
	check(err)
	total := int64(0)
	ends.Each(func(end kadm.ListedOffset) { total += end.Offset })
	require(total == count, "the topic ends at %d records, not %d", total, count)
	lags, err := admin.Lag(ctx, group)
	check(err)
	check(lags.Error())
	require(lags[group].Lag.Total() == 0, "the group lags by %d", lags[group].Lag.Total())
	described, err := admin.DescribeTopicConfigs(ctx, topic)
	check(err)
	_, err = described.On(topic, nil)
	check(err)
	deleted, err := admin.DeleteGroups(ctx, group)
	check(err)
	check(deleted.Error())
	gone, err := admin.DeleteTopics(ctx, topic)
	check(err)
	check(gone.Error())
}

func main() {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 4*patience, errors.New("it took too long"))
	defer cancel()
	run := fmt.Sprintf("franz-%d", time.Now().UnixNano())
	in, out := run+"-in", run+"-out"
	client := connect()
	admin := kadm.NewClient(client)
	_, err := admin.CreateTopic(ctx, 4, 1, nil, in)
	check(err)
	_, err = admin.CreateTopic(ctx, 1, 1, nil, out)
	check(err)
	produce(ctx, in, 2000)
	consume(ctx, in, run+"-each", 2000)
	rebalance(ctx, in, run+"-rebalance", 4)
	served := context.WithValue(ctx, "opt_in_kafka_next_gen_balancer_beta", true)
	rebalance(served, in, run+"-served", 4)
	transact(ctx, in, out, run+"-transact", 2000)
	administer(ctx, admin, in, run+"-each", 2000)
	client.Close()
	fmt.Println("franz-go did everything")
}
