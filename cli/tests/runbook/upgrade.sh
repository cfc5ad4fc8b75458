# A server whose store has the format of the release before.
start-server PLACE=sessile:sessions SESSIONS=50
