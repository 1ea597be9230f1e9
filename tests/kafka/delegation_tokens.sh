# Sourced by java.sh: delegation tokens (KIP-48) made, used, described, renewed and ended by kafka-delegation-tokens, on a
# broker that wants logins.
kill_broker
home=$scratch/broker-tokens
password=$scratch/token-admin.password
secret=$scratch/token.secret
echo 'admin-secret' > "$password"
head -c 33 /dev/urandom | base64 > "$secret"
start_broker "$binary" "$home" --set auth.admin_user=admin --set "auth.admin_password_file=$password" \
    --set "auth.delegation_token_secret_file=$secret"
login() {
    printf '%s\n' security.protocol=SASL_PLAINTEXT sasl.mechanism=SCRAM-SHA-512 \
        "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"$1\" password=\"$2\"${3:-};"
}
login admin admin-secret > "$scratch/admin.properties"
login alice alice-secret > "$scratch/alice.properties"
login bob bob-secret > "$scratch/bob.properties"
tokens() {
    local as=$1
    shift
    tool org.apache.kafka.tools.DelegationTokenCommand --bootstrap-server "$kafka" \
        --command-config "$scratch/$as.properties" "$@"
}
as() { local user=$1 class=$2; shift 2; tool "$class" --bootstrap-server "$kafka" --command-config "$scratch/$user.properties" "$@"; }
# Whether the tool ends well or not: it is told this.
refused() {
    local wanted=$1 told
    shift
    told=$("$@" 2>&1 || true)
    grep -qE "$wanted" <<< "$told" || { echo "$told"; echo "not told $wanted: $*"; exit 1; }
}

echo "kafka-delegation-tokens"
for user in alice bob; do
    expect 'Completed updating' as admin kafka.admin.ConfigCommand --alter --entity-type users --entity-name $user \
        --add-config "SCRAM-SHA-512=[iterations=4096,password=$user-secret]"
done
as admin org.apache.kafka.tools.TopicCommand --create --topic orders --partitions 1 > /dev/null
as admin org.apache.kafka.tools.AclCommand --add --allow-principal User:alice --operation All --topic orders \
    --group '*' > /dev/null

expect 'User:bob' tokens alice --create --max-life-time-period -1 --renewer-principal User:bob
tokens alice --describe --owner-principal User:alice > "$scratch/described"
read -r id mac _ < <(grep -E '^[A-Za-z0-9_-]{22} ' "$scratch/described")
[ "${#mac}" -eq 88 ] || { cat "$scratch/described"; exit 1; }
login "$id" "$mac" ' tokenauth="true"' > "$scratch/token.properties"
seq 50 | tool org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$kafka" --topic orders \
    --command-config "$scratch/token.properties" > /dev/null
tool org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$kafka" --topic orders --from-beginning \
    --group tokens --max-messages 50 --command-config "$scratch/token.properties" 2> /dev/null | cmp - <(seq 50)
refused 'may not create the topic' as token org.apache.kafka.tools.TopicCommand --create --topic other --partitions 1
refused 'Delegation Token requests are not allowed' tokens token --create --max-life-time-period -1

expect 'Completed renew' tokens bob --renew --renew-time-period -1 --hmac "$mac"
refused 'is not owner or renewer|OwnerMismatch' tokens admin --renew --renew-time-period -1 --hmac "$mac"
# Somebody else makes one that stands for alice once a rule says so.
refused 'Delegation Token authorization failed' tokens bob --create --max-life-time-period -1 --owner-principal User:alice
as admin org.apache.kafka.tools.AclCommand --add --allow-principal User:bob --operation CreateTokens \
    --user-principal 'User:alice' > /dev/null
expect 'User:alice' tokens bob --create --max-life-time-period 3600000 --owner-principal User:alice
[ "$(tokens alice --describe --owner-principal User:alice | grep -cE '^[A-Za-z0-9_-]{22} ')" -eq 2 ]
crash_broker "$binary" --set auth.admin_user=admin --set "auth.admin_password_file=$password" \
    --set "auth.delegation_token_secret_file=$secret"
expect '^orders$' as token org.apache.kafka.tools.TopicCommand --list
expect 'Completed expire' tokens alice --expire --expiry-time-period -1 --hmac "$mac"
refused 'Authentication failed' as token org.apache.kafka.tools.TopicCommand --list
