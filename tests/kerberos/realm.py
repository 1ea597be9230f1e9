"""A realm of Kerberos with a key distribution centre of its own, and a Kafka client with its tickets."""

import os
import socket
import subprocess
import time

from doors import Kafka
from kafka_login import KafkaLogin, Refused

NAME = "SLUICE.TEST"
# How far clocks may be apart. Tickets are taken for as long after their end.
SKEW = 300


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Realm:
    def __init__(self, home):
        self.home, self.port, self.made = home, free_port(), 0
        (home / "kdc.conf").write_text(f"""
[kdcdefaults]
    kdc_listen = 127.0.0.1:{self.port}
    kdc_tcp_listen = 127.0.0.1:{self.port}
[realms]
    {NAME} = {{
        database_name = {home}/principals
        key_stash_file = {home}/stash
        acl_file = {home}/acl
        max_life = 1h
        default_principal_flags = +preauth
    }}
""")
        self.config()
        os.environ["KRB5_CONFIG"] = str(home / "krb5.conf")
        os.environ["KRB5_KDC_PROFILE"] = str(home / "kdc.conf")
        self.run("kdb5_util", "create", "-s", "-r", NAME, "-P", "only for this test")
        self.service = self.principal("kafka/localhost")
        log = open(home / "kdc.log", "w")
        self.kdc = subprocess.Popen(["krb5kdc", "-n", "-r", NAME], stdout=log, stderr=log)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                assert self.kdc.poll() is None, (home / "kdc.log").read_text()
                time.sleep(0.05)

    def config(self, name="krb5.conf", skew=SKEW):
        """A configuration of the library."""
        path = self.home / name
        path.write_text(f"""
[libdefaults]
    default_realm = {NAME}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
    clockskew = {skew}
[realms]
    {NAME} = {{
        kdc = 127.0.0.1:{self.port}
    }}
[domain_realm]
    localhost = {NAME}
""")
        return path

    def stop(self):
        self.kdc.terminate()
        self.kdc.wait(30)

    def run(self, *command, said=None):
        done = subprocess.run([str(part) for part in command], input=said, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Refused(done.stderr.strip())

    def admin(self, query):
        self.run("kadmin.local", "-r", NAME, "-q", query)

    def principal(self, name, password=None):
        """A new principal; answers a keytab with its key, unless it has a password."""
        if password:
            return self.admin(f"addprinc -pw {password} {name}")
        self.admin(f"addprinc -randkey {name}")
        return self.keytab(name)

    def keytab(self, name):
        """Its key, which is a new one."""
        self.made += 1
        path = self.home / f"{self.made}.keytab"
        self.admin(f"ktadd -k {path} {name}")
        return path

    def ticket(self, name, keytab=None, password=None, life=3600):
        """A cache with a ticket that lets its holder get others, for as long."""
        self.made += 1
        path = self.home / f"{self.made}.cache"
        by = ["-k", "-t", keytab] if keytab else []
        self.run("kinit", "-l", f"{life}s", *by, "-c", path, f"{name}@{NAME}", said=None if keytab else f"{password}\n")
        return path


class Ticketed(Kafka):
    """A connection that logs in with the ticket which is in the given cache."""
    @staticmethod
    def login(broker, mechanism, given):
        client = KafkaLogin(broker.ports["kafkas"], given.context, given.name)
        connection = Ticketed(client)
        connection.renew(mechanism, given.secret)
        connection.work()
        return connection

    def renew(self, mechanism, cache, acts_for=b""):
        """Logs in, for the first time or again; answers for how many milliseconds."""
        self.client.handshake(mechanism)
        context = begun(cache)
        return self.finish(context, context.step(), acts_for)

    def finish(self, context, token, acts_for=b""):
        """RFC 4752, from the client's side; also checks that the broker has the key of its name."""
        while not context.complete:
            answer, _ = self.client.authenticate(token)
            token = context.step(answer)
        offer, _ = self.client.authenticate(token or b"")
        assert context.unwrap(offer).message == b"\1\0\0\0", "no security layer is offered"
        _, lifetime = self.client.authenticate(context.wrap(b"\1\0\0\0" + acts_for, False).message)
        return lifetime


def begun(cache):
    """A context that has a ticket for the broker."""
    # The library reads its configuration when it is loaded.
    import gssapi
    broker = gssapi.Name("kafka@localhost", gssapi.NameType.hostbased_service)
    return gssapi.SecurityContext(name=broker, creds=held(cache), usage="initiate", mech=gssapi.MechType.kerberos)


def held(cache):
    """The ticket in a cache."""
    import gssapi
    return gssapi.Credentials(usage="initiate", store={"ccache": f"FILE:{cache}"})
