// Command tutorials does what RabbitMQ's six tutorials for Go do, each program of them in a process with a connection of its
// own, and prints what is observed, one named line each, to be compared between brokers.
//
// usage: tutorials PORT [PROGRAM ARGUMENT…]
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"os/exec"
	"sort"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func main() {
	connection, err := amqp.Dial("amqp://guest:guest@127.0.0.1:" + os.Args[1] + "/")
	check(err)
	defer connection.Close()
	channel, err := connection.Channel()
	check(err)
	if len(os.Args) > 2 {
		programs[os.Args[2]](channel, os.Args[3:])
		return
	}
	helloWorld()
	workQueues()
	publishSubscribe()
	routing()
	topics()
	remoteProcedureCall()
	for _, exchange := range []string{"logs", "logs_direct", "logs_topic"} {
		check(channel.ExchangeDelete(exchange, false, false))
	}
	for _, queue := range []string{"hello", "task_queue", "rpc_queue"} {
		left, err := channel.QueueDelete(queue, false, false, false)
		check(err)
		show("left in "+queue, left)
	}
}

func show(name string, value any) { fmt.Printf("%s: %v\n", name, value) }

// A running is a program that somebody started in another window.
type running struct {
	command *exec.Cmd
	lines   chan string
}

// start returns once the program waits for messages.
func start(name string, arguments ...string) *running {
	command := exec.Command(os.Args[0], append([]string{os.Args[1], name}, arguments...)...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	check(err)
	check(command.Start())
	started := &running{command, make(chan string, 100)}
	go func() {
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			started.lines <- scanner.Text()
		}
		close(started.lines)
	}()
	started.expect("ready")
	return started
}

func (program *running) next() string {
	select {
	case line, open := <-program.lines:
		if !open {
			log.Panic("a program ended: ", program.command.Args)
		}
		return line
	case <-time.After(20 * time.Second):
		log.Panic("a program says nothing: ", program.command.Args)
		panic("unreachable")
	}
}

func (program *running) expect(wanted string) {
	if line := program.next(); line != wanted {
		log.Panic(line, " is not ", wanted)
	}
}

func (program *running) take(count int) []string {
	var lines []string
	for len(lines) < count {
		lines = append(lines, program.next())
	}
	return lines
}

// kill ends the program as the loss of its machine would; what it said to the end is answered.
func (program *running) kill() []string {
	check(program.command.Process.Kill())
	var rest []string
	for line := range program.lines {
		rest = append(rest, line)
	}
	_ = program.command.Wait()
	return rest
}

// run has a program do what it does and end.
func run(name string, arguments ...string) []string {
	command := exec.Command(os.Args[0], append([]string{os.Args[1], name}, arguments...)...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	check(err)
	return strings.Split(strings.TrimSpace(string(output)), "\n")
}

func helloWorld() {
	show("hello sent", run("send"))
	receiver := start("receive")
	show("hello received", receiver.take(1))
	run("send")
	show("hello received again", receiver.take(1))
	receiver.kill()
}

func workQueues() {
	show("tasks sent", run("new_task", "First..", "Second", "Third.", "Fourth"))
	stuck := start("worker", "stuck")
	show("a stuck worker", stuck.take(1))
	// Fair dispatch: the others go to whoever is free.
	free := start("worker")
	show("a free worker", free.take(6))
	// What the stuck one holds is not lost with it.
	stuck.kill()
	show("what it held", free.take(2))
	free.kill()
}

func publishSubscribe() {
	show("logs to nobody", run("emit_log", "", "lost"))
	file, screen := start("receive_logs", ""), start("receive_logs", "")
	run("emit_log", "", "Hello World!", "any", "second")
	show("logs to the file", file.take(2))
	show("logs to the screen", screen.take(2))
	show("logs more", append(file.kill(), screen.kill()...))
}

func routing() {
	errors, all := start("receive_logs_direct", "error"), start("receive_logs_direct", "info", "warning", "error")
	show("routing sent", run("emit_log_direct", "info", "one", "warning", "two", "error", "three", "debug", "lost"))
	show("routing of errors", errors.take(1))
	show("routing of all", all.take(3))
	show("routing more", append(errors.kill(), all.kill()...))
}

func topics() {
	patterns := [][]string{{"#"}, {"kern.*"}, {"*.critical"}, {"kern.*", "*.critical"}}
	counts := []int{3, 2, 1, 2}
	var receivers []*running
	for _, keys := range patterns {
		receivers = append(receivers, start("receive_logs_topic", keys...))
	}
	run("emit_log_topic", "kern.critical", "A critical kernel error", "kern.info", "fine", "auth", "who?")
	for at, receiver := range receivers {
		show(fmt.Sprintf("topics %v", patterns[at]), receiver.take(counts[at]))
	}
	for at, receiver := range receivers {
		show(fmt.Sprintf("topics more %v", patterns[at]), receiver.kill())
	}
}

func remoteProcedureCall() {
	server := start("rpc_server")
	show("rpc answers", run("rpc_client", "0", "1", "10"))
	show("rpc served", server.take(3))
	// A second server shares the work, and both answer to whoever asked.
	second := start("rpc_server")
	answers := run("rpc_client", "5", "6", "7", "8")
	sort.Strings(answers)
	show("rpc answers of two", answers)
	server.kill()
	second.kill()
}
