# A server holds the store, and serves no operators.
start-server PLACE=sessile:sessions SESSIONS=20 SILENT=1
