# A server whose limit of sessions is reached, and which was told to refuse.
start-server "PLACE=sessile:sessions?sessions_max=100&at_limit=reject" SESSIONS=100
for _ in $(seq 500); do
    [ ! -s server.log ] || break
    sleep 0.02
done
