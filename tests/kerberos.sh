#!/usr/bin/env bash
# Kerberos logins of Apache Kafka's Java client, with a key distribution centre of this test's own.
# Usage: tests/kerberos.sh BINARY SCRATCH ; the binary is one with the feature `gssapi`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/kafka/libraries.sh"
binary=$(realpath "$1")
mkdir -p "$2"
scratch=$(realpath "$2")
fetch_libraries "$scratch"
realm=SLUICE.TEST
home=$scratch/kerberos
rm -rf "$home" && mkdir -p "$home"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
# Tickets are for a name: the broker tells its clients this one.
kafka_port=$(free_port)
cat > "$home/krb5.conf" <<END
[libdefaults]
    default_realm = $realm
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
[realms]
    $realm = {
        kdc = 127.0.0.1:$port
    }
[domain_realm]
    localhost = $realm
END
cat > "$home/kdc.conf" <<END
[kdcdefaults]
    kdc_listen = 127.0.0.1:$port
    kdc_tcp_listen = 127.0.0.1:$port
[realms]
    $realm = {
        database_name = $home/principals
        key_stash_file = $home/stash
        acl_file = $home/acl
        max_life = 1h
    }
END
export KRB5_CONFIG=$home/krb5.conf KRB5_KDC_PROFILE=$home/kdc.conf
kdb5_util create -s -r "$realm" -P "only for this test" > /dev/null
admin() { kadmin.local -r "$realm" -q "$1" > /dev/null; }
admin "addprinc -randkey kafka/localhost"
admin "ktadd -k $home/server.keytab kafka/localhost"
for user in kate guest/elsewhere; do
    admin "addprinc -randkey $user"
    admin "ktadd -k $home/clients.keytab $user"
done

processes=()
finish() {
    local code=$?
    for pid in "${processes[@]}"; do kill "$pid" 2> /dev/null || true; done
    for pid in "${processes[@]}"; do wait "$pid" 2> /dev/null || true; done
    [ $code -eq 0 ] || tail -n 30 "$home"/*.log >&2
    exit $code
}
trap finish EXIT
krb5kdc -n -r "$realm" > "$home/kdc.log" 2>&1 &
processes+=($!)
until (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do kill -0 "${processes[0]}"; sleep 0.1; done

echo secret > "$home/password"
mkfifo "$home/out"
KRB5_KTNAME=$home/server.keytab "$binary" serve --http 127.0.0.1:0 --kafka "127.0.0.1:$kafka_port" --amqp off --data-dir "$home/data" \
    --set auth.admin_user=admin --set "auth.admin_password_file=$home/password" --set kafka.mechanisms=GSSAPI,PLAIN \
    --set "auth.kerberos_user=([^/@]+)@SLUICE\.TEST" --set "auth.audit_file=$home/audit.log" \
    --set "kafka.advertised=localhost:$kafka_port" --set groups.initial_rebalance_delay_ms=0 > "$home/out" 2> "$home/server.log" &
processes+=($!)
while read -r line; do
    case $line in
        *kafka://*) kafka=${line#*kafka://} ;;
        *"is ready: http://"*) http=${line#*http://}; break ;;
    esac
done < "$home/out"
export SLUICE_CLI_SERVER=http://$http SLUICE_CLI_LOGIN=admin:secret
"$binary" acl allow user:kate read,write topic orders > /dev/null
"$binary" acl allow user:kate read group secured- --match prefix > /dev/null
curl -fsS -u admin:secret -X PUT -H 'content-type: application/json' -d '{"model":"log","log":{"partitions":1}}' \
    "http://$http/v1/topics/orders" > /dev/null

# A case for the client: the principal, and whether the broker shall let it in.
login() {
    printf 'orders\tbootstrap.servers=localhost:%s\tsecurity.protocol=SASL_PLAINTEXT\tsasl.mechanism=GSSAPI\tsasl.kerberos.service.name=kafka' \
        "${kafka#*:}"
    printf '\tsasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab="%s" principal="%s@%s";\n' \
        "$home/clients.keytab" "$1" "$realm"
}
told=$({ login kate; login guest/elsewhere; } | timeout 150 java -Xmx256m -XX:TieredStopAtLevel=1 \
    -Djava.security.krb5.conf="$home/krb5.conf" -cp "$libraries/*" "$here/security/java/Secured.java")
printf '%s\n' "$told"
[ "$(sed -n 1p <<< "$told")" = works ]
[[ $(sed -n 2p <<< "$told") == "refused: SaslAuthenticationException: "*"invalid credentials with SASL mechanism GSSAPI" ]]
# Who was refused, and why, is written down.
grep -q '"event":"login_failed","door":"kafka","user":"guest/elsewhere@SLUICE.TEST"' "$home/audit.log"
# What is no token of Kerberos ends the login, and nothing else.
python3 "$here/kerberos/nonsense.py" "$kafka"
echo "Kerberos: a ticket lets in whom the rule knows, and nobody else"
