# A store that was made while the machine's clock was three days ahead; now the clock is right.
run-server PLACE=sessile:sessions SESSIONS=50 AHEAD_DAYS=3
start-server PLACE=sessile:sessions
