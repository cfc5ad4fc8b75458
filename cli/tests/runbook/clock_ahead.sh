# A server on a machine whose clock has jumped ahead by forty days, over the end of every session.
run-server PLACE=sessile:sessions SESSIONS=50
start-server PLACE=sessile:sessions AHEAD_DAYS=40
