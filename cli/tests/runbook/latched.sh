# A server whose disk has failed a sync: every fdatasync of the running process fails for a moment.
command -v strace >/dev/null || cannot "strace is missing"
start-server PLACE=sessile:sessions SESSIONS=20
strace -f -qq -o /dev/null -p "$(cat server.pid)" -e trace=fdatasync -e inject=fdatasync:error=EIO 2>strace.err &
tracer=$!
for _ in $(seq 250); do
    [ ! -s server.log ] || break
    kill -0 "$tracer" 2>/dev/null || cannot "this process may not trace others: $(cat strace.err)"
    sleep 0.02
done
kill "$tracer"
wait "$tracer" 2>/dev/null || true
[ -s server.log ]
