"""The two brokers: started on ports and in directories of their own, ended by whoever started them."""
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import pika

PATIENCE = 120
PLUGINS = [
    "rabbitmq_management",
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_random_exchange",
    "rabbitmq_recent_history_exchange",
    "rabbitmq_sharding",
]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def http(method, url, body=None, user=None):
    request = urllib.request.Request(url, method=method)
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
        return json.loads(text) if text else None


class Broker:
    """A broker and one connection to it at a time."""

    def connect(self, vhost="/"):
        parameters = pika.ConnectionParameters(
            "127.0.0.1", self.amqp, vhost, pika.PlainCredentials("guest", "guest"), heartbeat=0
        )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return pika.BlockingConnection(parameters)
            except (pika.exceptions.AMQPConnectionError, OSError):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def start(self, command, env):
        self.home = tempfile.mkdtemp(prefix="sluice-compare-")
        self.log = open(os.path.join(self.home, "output"), "w+")
        environment = {**os.environ, **{name: value.format(home=self.home) for name, value in env.items()}}
        self.process = subprocess.Popen(
            [part.format(home=self.home) for part in command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def stop(self):
        # Its own session: everything that it started goes with it, and nothing else.
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
                self.process.wait(30)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def output(self):
        with open(os.path.join(self.home, "output")) as log:
            return log.read()[-4000:]


class RabbitMq(Broker):
    name = "rabbitmq"

    def __init__(self, server):
        self.amqp, self.management, self.epmd = free_port(), free_port(), free_port()
        self.base = f"http://127.0.0.1:{self.management}/api"
        env = {
            "HOME": "{home}",
            "RABBITMQ_NODENAME": f"sluice-compare-{os.getpid()}@localhost",
            "RABBITMQ_MNESIA_BASE": "{home}/mnesia",
            "RABBITMQ_LOG_BASE": "{home}/log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": "{home}/pid",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.amqp),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(self.epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "{home}/enabled_plugins",
            "RABBITMQ_CONFIG_FILE": "{home}/rabbitmq",
            "RABBITMQ_CONF_ENV_FILE": "{home}/none",
        }
        prepare = (
            'printf \'[%s].\' "$1" >"$2/enabled_plugins"; '
            'printf \'management.tcp.port = %s\\nmanagement.tcp.ip = 127.0.0.1\\n\' "$3" >"$2/rabbitmq.conf"; '
            'exec "$4"'
        )
        self.start(["sh", "-c", prepare, "sh", ",".join(PLUGINS), "{home}", str(self.management), server], env)
        self.connect().close()
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.version = self.call("GET", "/overview")["rabbitmq_version"]
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def stop(self):
        super().stop()
        # The name server that came with the node leaves its session.
        subprocess.run(["epmd", "-port", str(self.epmd), "-kill"], stdout=subprocess.DEVNULL, check=False)

    def call(self, method, path, body=None):
        return http(method, self.base + path, body, "guest:guest")

    def policy(self, name, pattern, definition, operator=False, priority=0, apply_to="all"):
        kind = "operator-policies" if operator else "policies"
        body = {"pattern": pattern, "definition": definition, "priority": priority, "apply-to": apply_to}
        self.call("PUT", f"/{kind}/%2F/{name}", body)

    def no_policy(self, name, operator=False):
        self.call("DELETE", f"/{'operator-policies' if operator else 'policies'}/%2F/{name}")


class Sluice(Broker):
    name = "sluice"

    def __init__(self, binary):
        self.amqp, self.port = free_port(), free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        addresses = ["--http", f"127.0.0.1:{self.port}", "--amqp", f"127.0.0.1:{self.amqp}", "--kafka", "off"]
        self.start([binary, "serve", "--data-dir", "{home}/data", *addresses], {})
        self.connect().close()
        self.version = http("GET", self.base + "/openapi.json")["info"]["version"]

    KEYS = {"message-ttl": "message_ttl_ms", "expires": "expires_ms"}

    def policy(self, name, pattern, definition, operator=False, priority=0, apply_to="all"):
        renamed = {self.KEYS.get(key, key.replace("-", "_")): value for key, value in definition.items()}
        if "overflow" in renamed:
            renamed["overflow"] = renamed["overflow"].replace("-", "_")
        body = {"pattern": pattern, "definition": renamed, "priority": priority, "apply_to": apply_to}
        kind = "operator-policies" if operator else "policies"
        http("PUT", f"{self.base}/v1/{kind}/{name}", body)

    def no_policy(self, name, operator=False):
        http("DELETE", f"{self.base}/v1/{'operator-policies' if operator else 'policies'}/{name}")
