# A server with some sessions, to be measured.
start-server "PLACE=sessile:sessions?durability=written" SESSIONS=20000 BYTES=400
