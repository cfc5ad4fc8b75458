# An encrypted store that was closed, and its keys in a file beside it.
printf '2025 %s\n' "$(head -c 32 /dev/urandom | base64 -w 0)" >keys
chmod 600 keys
start-server "PLACE=sessile:sessions?keys=file:keys" SESSIONS=20
stop-server
