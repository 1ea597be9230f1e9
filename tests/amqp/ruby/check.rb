# What applications do with bunny, Ruby's client of RabbitMQ. Prints what they see, one named line each. usage: check.rb PORT
require "bunny"
require "timeout"

def expect(holds, what)
  raise "unexpected: #{what}" unless holds
end

def show(name, value)
  puts "bunny #{name}: #{value.inspect}"
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
  show("last", [delivery.exchange, delivery.routing_key, delivery.redelivered?, delivery.delivery_tag.to_i, properties.delivery_mode, properties.headers]) if body == "task 99"
  channel.ack(delivery.delivery_tag)
end
Timeout.timeout(30) { 100.times { |n| expect(got.pop == ["task #{n}", n], "another order") } }
consumer.cancel

returned = Queue.new
exchange = channel.topic("ruby_topic", auto_delete: true)
exchange.on_return { |info, _, body| returned << [info.reply_code, body, info.reply_text, info.exchange, info.routing_key] }
exchange.publish("nobody's", routing_key: "nowhere", mandatory: true)
back = Timeout.timeout(30) { returned.pop }
expect(back.first(2) == [312, "nobody's"], "another return")
show("returned", back)
private_queue = channel.queue("", exclusive: true).bind(exchange, routing_key: "kern.*")
exchange.publish("routed", routing_key: "kern.critical")
expect(channel.wait_for_confirms, "a publish without its confirm")
delivery, _, body = private_queue.pop(manual_ack: true)
expect(body == "routed" && delivery.routing_key == "kern.critical", body)
channel.reject(delivery.delivery_tag, true)
again, = private_queue.pop
expect(again.redelivered?, "a message that was not marked as redelivered")
show("again", [again.exchange, again.routing_key, again.redelivered?])

begin
  connection.create_channel.queue("ruby_nothing", passive: true)
  raise "a queue that is not there was found"
rescue Bunny::NotFound => error
  show("not found", [error.message, error.channel_close.reply_code, error.channel_close.class_id, error.channel_close.method_id])
end
show("left", queue.delete.message_count)
show("tuned", [connection.channel_max, connection.frame_max, connection.heartbeat])
connection.close
