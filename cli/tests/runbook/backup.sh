# A server at work.
start-server PLACE=sessile:sessions SESSIONS=50
