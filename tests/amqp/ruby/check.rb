# What applications do with bunny, Ruby's client of RabbitMQ. usage: check.rb PORT
require "bunny"
require "timeout"

def expect(holds, what)
  raise "unexpected: #{what}" unless holds
end

connection = Bunny.new("amqp://guest:guest@127.0.0.1:#{ARGV[0]}", heartbeat: 10)
connection.start
channel = connection.create_channel
channel.confirm_select
queue = channel.queue("ruby_tasks", durable: true)
100.times { |n| queue.publish("task #{n}", persistent: true, headers: { "n" => n }) }
expect(channel.wait_for_confirms, "publishes without confirms")
channel.prefetch(10)
got = Queue.new
consumer = queue.subscribe(manual_ack: true) do |delivery, properties, body|
  got << [body, properties.headers["n"]]
  channel.ack(delivery.delivery_tag)
end
Timeout.timeout(30) { 100.times { |n| expect(got.pop == ["task #{n}", n], "another order") } }
consumer.cancel

returned = Queue.new
exchange = channel.topic("ruby_topic", auto_delete: true)
exchange.on_return { |info, _, body| returned << [info.reply_code, body] }
exchange.publish("nobody's", routing_key: "nowhere", mandatory: true)
Timeout.timeout(30) { expect(returned.pop == [312, "nobody's"], "another return") }
private_queue = channel.queue("", exclusive: true).bind(exchange, routing_key: "kern.*")
exchange.publish("routed", routing_key: "kern.critical")
expect(channel.wait_for_confirms, "a publish without its confirm")
delivery, _, body = private_queue.pop(manual_ack: true)
expect(body == "routed" && delivery.routing_key == "kern.critical", body)
channel.reject(delivery.delivery_tag, true)
again, = private_queue.pop
expect(again.redelivered?, "a message that was not marked as redelivered")

begin
  connection.create_channel.queue("ruby_nothing", passive: true)
  raise "a queue that is not there was found"
rescue Bunny::NotFound => error
  expect(error.message.include?("NOT_FOUND - no queue 'ruby_nothing' in vhost '/'"), error.message)
end
queue.delete
connection.close
puts "bunny: confirms, consumers, returns, topics, and a 404"
