// Command management does with rabbit-hole, the Go client of RabbitMQ's management API, what operators' tools do with it.
// Usage: management HTTP_PORT AMQP_PORT
package main

import (
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	rabbithole "github.com/michaelklishin/rabbit-hole/v2"
	amqp "github.com/rabbitmq/amqp091-go"
)

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func expect(holds bool, what ...any) {
	if !holds {
		log.Panic(what...)
	}
}

// people makes users and says what they may do, as operators and provisioning tools do.
func people(client *rabbithole.Client) {
	_, err := client.PutUser("ann", rabbithole.UserSettings{Password: "secret", Tags: rabbithole.UserTags{"monitoring"}})
	check(err)
	_, err = client.PutUserWithoutPassword("bob", rabbithole.UserSettings{Tags: rabbithole.UserTags{}})
	check(err)
	_, err = client.UpdatePermissionsIn("hole", "ann", rabbithole.Permissions{Configure: "^ann", Write: ".*", Read: "^ann"})
	check(err)
	_, err = client.UpdateTopicPermissionsIn("hole", "ann", rabbithole.TopicPermissions{Exchange: "x", Write: "^{username}", Read: ".*"})
	check(err)
	permission, err := client.GetPermissionsIn("hole", "ann")
	check(err)
	expect(permission.Configure == "^ann" && permission.Write == ".*" && permission.Read == "^ann", permission)
	topics, err := client.GetTopicPermissionsIn("hole", "ann")
	check(err)
	expect(len(topics) == 1 && topics[0].Exchange == "x" && topics[0].Write == "^{username}", topics)
	permissions, err := client.ListPermissions()
	check(err)
	expect(len(permissions) >= 3, permissions)
	user, err := client.GetUser("ann")
	check(err)
	expect(len(user.Tags) == 1 && user.Tags[0] == "monitoring", user)
	ann, err := rabbithole.NewClient(client.Endpoint, "ann", "secret")
	check(err)
	whoami, err := ann.Whoami()
	check(err)
	expect(whoami.Name == "ann", whoami)
	_, err = ann.ListQueues()
	check(err)
	_, err = ann.ListUsers()
	expect(err != nil && strings.Contains(err.Error(), "401"), err)
	_, err = client.DeleteTopicPermissionsIn("hole", "ann", "x")
	check(err)
	_, err = client.ClearPermissionsIn("hole", "ann")
	check(err)
	_, err = client.GetPermissionsIn("hole", "ann")
	expect(err != nil && strings.Contains(err.Error(), "404"), err)
	for _, name := range []string{"ann", "bob"} {
		_, err = client.DeleteUser(name)
		check(err)
	}
	left, err := client.ListUsers()
	check(err)
	expect(len(left) == 1 && left[0].Name == "guest", left)
}

// shovels has messages moved, as provisioning tools do.
func shovels(client *rabbithole.Client) {
	for _, queue := range []string{"from", "to"} {
		_, err := client.DeclareQueue("hole", queue, rabbithole.QueueSettings{Durable: true})
		check(err)
	}
	definition := rabbithole.ShovelDefinition{
		SourceURI: rabbithole.URISet{"amqp:///hole"}, SourceQueue: "from", SourceDeleteAfter: "5", SourceProtocol: "amqp091",
		DestinationURI: rabbithole.URISet{"amqp:///hole"}, DestinationQueue: "to", DestinationProtocol: "amqp091",
		AckMode: "on-confirm", ReconnectDelay: 1, SourcePrefetchCount: 10, DestinationAddForwardHeaders: true,
	}
	_, err := client.DeclareShovel("hole", "s", definition)
	check(err)
	shovel, err := client.GetShovel("hole", "s")
	check(err)
	expect(shovel.Component == "shovel" && shovel.Definition.SourceQueue == "from" && shovel.Definition.SourceDeleteAfter == "5", shovel)
	all, err := client.ListShovels()
	check(err)
	here, err := client.ListShovelsIn("hole")
	check(err)
	expect(len(all) == 1 && len(here) == 1 && here[0].Definition.SourceURI[0] == "amqp:///hole", all, here)
	states, err := client.ListShovelStatus("hole")
	check(err)
	expect(len(states) == 1 && states[0].Name == "s" && states[0].Type == "dynamic" && states[0].State != "", states)
	connection, err := amqp.Dial("amqp://guest:guest@127.0.0.1:" + os.Args[2] + "/hole")
	check(err)
	channel, err := connection.Channel()
	check(err)
	for n := 0; n < 7; n++ {
		check(channel.Publish("", "from", false, false, amqp.Publishing{Body: []byte("m")}))
	}
	check(connection.Close())
	for deadline := time.Now().Add(time.Minute); ; {
		if _, err = client.GetShovel("hole", "s"); err != nil {
			break
		}
		expect(time.Now().Before(deadline), "the shovel is never done")
		time.Sleep(20 * time.Millisecond)
	}
	expect(strings.Contains(err.Error(), "404"), err)
	to, err := client.GetQueue("hole", "to")
	check(err)
	from, err := client.GetQueue("hole", "from")
	check(err)
	expect(to.Messages == 5 && from.Messages == 2, to, from)
	_, err = client.DeclareShovel("hole", "s", rabbithole.ShovelDefinition{SourceURI: rabbithole.URISet{"amqp://"}, DestinationURI: rabbithole.URISet{"amqp://"}})
	expect(err != nil && strings.Contains(err.Error(), "Must specify 'src-exchange' or 'src-queue'"), err)
	response, err := client.DeleteShovel("hole", "s")
	check(err)
	expect(response.StatusCode == 404, response)
	for _, queue := range []string{"from", "to"} {
		_, err = client.DeleteQueue("hole", queue)
		check(err)
	}
}

func main() {
	client, err := rabbithole.NewClient("http://127.0.0.1:"+os.Args[1], "guest", "guest")
	check(err)
	overview, err := client.Overview()
	check(err)
	expect(overview.RabbitMQVersion != "", overview)
	nodes, err := client.ListNodes()
	check(err)
	expect(len(nodes) == 1 && nodes[0].IsRunning && nodes[0].Name == overview.Node && nodes[0].MemUsed > 0, nodes)

	_, err = client.PutVhost("hole", rabbithole.VhostSettings{})
	check(err)
	hosts, err := client.ListVhosts()
	check(err)
	expect(len(hosts) >= 2, hosts)
	people(client)
	shovels(client)

	_, err = client.DeclareQueue("hole", "q", rabbithole.QueueSettings{Durable: true, Type: "quorum", Arguments: map[string]any{"x-delivery-limit": 5}})
	check(err)
	_, err = client.DeclareExchange("hole", "x", rabbithole.ExchangeSettings{Type: "topic", Durable: true})
	check(err)
	_, err = client.DeclareBinding("hole", rabbithole.BindingInfo{Source: "x", Destination: "q", DestinationType: "queue", RoutingKey: "a.#", Arguments: map[string]any{"k": "v"}})
	check(err)
	_, err = client.PutPolicy("hole", "p", rabbithole.Policy{Pattern: "^q$", ApplyTo: "queues", Priority: 2, Definition: rabbithole.PolicyDefinition{"max-length": 10}})
	check(err)

	connection, err := amqp.DialConfig("amqp://guest:guest@127.0.0.1:"+os.Args[2]+"/hole", amqp.Config{Properties: amqp.Table{"connection_name": "hole"}, Vhost: "hole"})
	check(err)
	channel, err := connection.Channel()
	check(err)
	check(channel.Qos(3, 0, false))
	_, err = channel.Consume("q", "hole-tag", false, false, false, false, nil)
	check(err)
	check(channel.Publish("x", "a.b", false, false, amqp.Publishing{Body: []byte("hello")}))
	// A synchronous method says that everything before it was carried out.
	queue, err := channel.QueueDeclarePassive("q", true, false, false, false, nil)
	check(err)
	expect(queue.Consumers == 1, queue)

	detailed, err := client.GetQueue("hole", "q")
	check(err)
	expect(detailed.Type == "quorum" && detailed.Policy == "p" && detailed.Consumers == 1 && detailed.Messages == 1, detailed)
	expect(len(*detailed.ConsumerDetails) == 1 && (*detailed.ConsumerDetails)[0].ConsumerTag == "hole-tag", detailed.ConsumerDetails)
	paged, err := client.PagedListQueuesWithParameters(map[string][]string{"page": {"1"}, "name": {"q"}})
	check(err)
	expect(len(paged.Items) >= 1 && paged.Page == 1, paged)
	bindings, err := client.ListBindingsIn("hole")
	check(err)
	expect(len(bindings) == 2, bindings)
	exchange, err := client.GetExchange("hole", "x")
	check(err)
	expect(exchange.Type == "topic" && exchange.Durable, exchange)
	connections, err := client.ListConnections()
	check(err)
	named := ""
	for _, one := range connections {
		if one.ClientProperties["connection_name"] == "hole" {
			named = one.Name
			expect(one.Vhost == "hole" && one.User == "guest" && one.State == "running" && one.Channels == 1, one)
		}
	}
	expect(named != "", connections)
	channels, err := client.ListChannels()
	check(err)
	found := false
	for _, one := range channels {
		if one.ConnectionDetails.Name == named {
			found = true
			expect(one.ConsumerCount == 1 && one.PrefetchCount == 3 && one.UnacknowledgedMessageCount == 1, one)
		}
	}
	expect(found, channels)
	definitions, err := client.ListDefinitions()
	check(err)
	expect(len(*definitions.Queues) >= 1 && len(*definitions.Bindings) >= 1, definitions)
	policy, err := client.GetPolicy("hole", "p")
	check(err)
	expect(policy.Priority == 2 && policy.Definition["max-length"] == float64(10), policy)
	health, err := client.HealthCheckAlarms()
	check(err)
	expect(health.Status == "ok", health)
	whoami, err := client.Whoami()
	check(err)
	expect(whoami.Name == "guest", whoami)
	users, err := client.ListUsers()
	check(err)
	expect(len(users) == 1 && users[0].Name == "guest", users)

	closed := connection.NotifyClose(make(chan *amqp.Error, 1))
	_, err = client.CloseConnection(named)
	check(err)
	expect((<-closed).Code == 320, "the connection was not closed")
	_, err = client.GetQueue("hole", "none")
	expect(err != nil && strings.Contains(err.Error(), "404"), err)
	_, err = client.DeleteBinding("hole", bindings[1])
	check(err)
	_, err = client.PurgeQueue("hole", "q")
	check(err)
	_, err = client.DeleteVhost("hole")
	check(err)
	_, err = client.GetVhost("hole")
	expect(err != nil, "the virtual host is still there")
	fmt.Println("rabbit-hole: overview, nodes, vhosts, queues, exchanges, bindings, policies, connections, channels, definitions, users, permissions, shovels")
}
