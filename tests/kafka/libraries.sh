# Sourced by scripts with Java clients: `fetch_libraries SCRATCH` has Apache Kafka's libraries of java/pom.xml in a directory
# there and sets `libraries` to it; they are fetched once for as long as the file says the same.

fetch_libraries() {
    local pom
    pom=$(dirname "${BASH_SOURCE[0]}")/java/pom.xml
    libraries=$1/kafka-tools
    if ! cmp -s "$pom" "$libraries/pom.xml"; then
        rm -rf "$libraries" && mkdir -p "$libraries"
        mvn -q -B -f "$pom" dependency:copy-dependencies -DoutputDirectory="$libraries"
        cp "$pom" "$libraries/"
    fi
}
