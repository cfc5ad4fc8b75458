# What every script of the runbook's states may use. The runbook's own commands use `stop-server` and `start-server`.

# Runs the server's process to its end: run-server NAME=VALUE...
run-server() {
    env "${@/#/SERVER_}" "$SERVER" a_server --exact --ignored --nocapture >/dev/null
}

# Starts it, with the orders of the last time where there are none, and waits till it holds the store.
start-server() {
    [ $# -eq 0 ] || printf '%s\n' "$@" >server.orders
    mapfile -t orders <server.orders
    rm -f server.pid
    env "${orders[@]/#/SERVER_}" SERVER_STAYS=1 SERVER_READY="$TOP/server.pid" ${TRACER:-} \
        "$SERVER" a_server --exact --ignored --nocapture >/dev/null 2>server.err &
    local started=$!
    while [ ! -s server.pid ]; do
        if ! kill -0 "$started" 2>/dev/null; then
            cat server.err
            return 1
        fi
        sleep 0.02
    done
}

# Ends it as a service manager does, and waits for it.
stop-server() {
    [ -s server.pid ] || return 0
    touch stop-server
    wait-for-end || return 1
}

# Waits till the server is gone.
wait-for-end() {
    local pid
    pid=$(cat server.pid)
    for _ in $(seq 500); do
        kill -0 "$pid" 2>/dev/null || { rm -f server.pid stop-server; return 0; }
        sleep 0.02
    done
    echo "the server does not end"
    return 1
}

# A machine that cannot do this says so, and the section is not checked.
cannot() {
    echo "$*"
    exit 3
}

# Leaves nothing behind.
end() {
    [ ! -s server.pid ] || kill -KILL "$(cat server.pid)" 2>/dev/null || true
    [ ! -s mounted ] || umount -l "$(cat mounted)" 2>/dev/null || true
}
