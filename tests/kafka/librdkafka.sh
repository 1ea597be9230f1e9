# Sourced by scripts beside it: `build_librdkafka SCRATCH` builds librdkafka once for all clients that want one and sets
# `librdkafka` to where it is. The sources are those that the npm package @confluentinc/kafka-javascript carries.

build_librdkafka() {
    local version=1.10.1 sources=$1/librdkafka-sources
    librdkafka=$1/librdkafka
    [ -e "$librdkafka/built-$version" ] && return 0
    if [ ! -e /usr/include/zstd.h ] && [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null; then
        apt-get update -q
        apt-get install -qy --no-install-recommends libzstd-dev zlib1g-dev pkg-config make g++
    fi
    rm -rf "$librdkafka" "$sources" && mkdir -p "$sources"
    (
        cd "$sources"
        npm pack --silent "@confluentinc/kafka-javascript@$version" > /dev/null
        tar -xf ./*.tgz
        cd package/deps/librdkafka
        # What is not optimized is built in a third of the time.
        ./configure --prefix="$librdkafka" --disable-gssapi --disable-curl --disable-lz4-ext \
            --disable-optimization --disable-debug-symbols
        make -j "$(nproc)" libs install-subdirs
    ) > "$sources/log" 2>&1 || { tail -30 "$sources/log"; return 1; }
    touch "$librdkafka/built-$version"
}
