# Sourced by the scripts beside it: `start_broker BINARY HOME [ARGUMENT…]` starts a broker on free ports and sets
# `kafka` and `http` to its addresses; whatever ends the script stops the broker and shows its log when it ended badly.
# `kill_broker` kills it without a warning, and `run_broker BINARY [ARGUMENT…]` starts it again on the same data,
# `crash_broker BINARY [ARGUMENT…]` does both and keeps the addresses.

broker=
broker_home=

stop_broker() {
    local status=$?
    if [ -n "$broker" ]; then
        kill "$broker" 2> /dev/null || true
        wait "$broker" || status=1
        [ "$status" -eq 0 ] || { echo "the broker's log ends with:"; tail -30 "$broker_home/log"; }
    fi
    exit "$status"
}

start_broker() {
    local binary=$1
    broker_home=$2
    shift 2
    http_at=127.0.0.1:0 kafka_at=127.0.0.1:0
    rm -rf "$broker_home" && mkdir -p "$broker_home"
    run_broker "$binary" "$@"
}

kill_broker() {
    kill -9 "$broker"
    wait "$broker" 2> /dev/null || true
    broker=
}

crash_broker() {
    http_at=$http kafka_at=$kafka
    kill_broker
    run_broker "$@"
}

run_broker() {
    local binary=$1
    shift
    kafka= http=
    rm -f "$broker_home/out"
    mkfifo "$broker_home/out"
    "$binary" serve --http "$http_at" --kafka "$kafka_at" --amqp off --data-dir "$broker_home/data" \
        --set groups.initial_rebalance_delay_ms=0 "$@" > "$broker_home/out" 2>> "$broker_home/log" &
    broker=$!
    trap stop_broker EXIT
    local line
    while read -r line; do
        case $line in
            *kafka://*) kafka=${line#*kafka://} ;;
            *"is ready: http://"*) http=${line#*http://}; break ;;
        esac
    done < "$broker_home/out"
    [ -n "${http:-}" ] || { echo "the broker did not start"; exit 1; }
}
